"""The provider's operations on generic Kubernetes objects, in plain Python values; `server` speaks gRPC around them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portolan.embedded.kubernetes import apply, awaits, identity, kubeconfig, replacing, state
from portolan.embedded.kubernetes.awaits import Progress
from portolan.embedded.kubernetes.cluster import Cluster
from portolan.embedded.kubernetes.declared import (
    Checked,
    Naming,
    Properties,
    faults,
    importable,
    named,
    skips_delete,
)
from portolan.embedded.kubernetes.diff import Differences, compare, parse_path
from portolan.embedded.kubernetes.errors import ApiError, NoSuchKind, NotReady, PartialFailure, Unreachable
from portolan.embedded.kubernetes.normalize import normalize, prune
from portolan.embedded.kubernetes.properties import Unknown, has_unknown
from portolan.embedded.kubernetes.settings import Settings
from portolan.embedded.plugin import EngineLog
from portolan.errors import PortolanError

# How long the API server may take to serve a kind after its definition is established (usually tens of milliseconds).
SERVED_SECONDS = 10.0
GONE_REMEDY = (
    'if the cluster is gone for good, run again with PULUMI_K8S_DELETE_UNREACHABLE="true" to take its resources out of '
    "the state"
)


@dataclass(frozen=True)
class Outcome:
    """What an operation leaves: the object's id, and the properties to keep."""

    identity: str
    properties: Properties
    inputs: Properties | None = None


class Provider:
    """One configured provider: one cluster, reachable or not."""

    def __init__(self, settings: Settings, log: EngineLog, cancelled: threading.Event) -> None:
        self.settings = settings
        self.log = log
        self.cancelled = cancelled
        self.unreachable: str | None = None
        self._cluster: Cluster | None = None
        if not settings.kubeconfig_known:
            self.unreachable = "its kubeconfig is not known yet"
            return
        try:
            access = kubeconfig.load(settings.kubeconfig, settings.context, settings.cluster, settings.namespace)
            self._cluster = Cluster(access, settings.timeout_seconds)
            self._cluster.version()
        except (PortolanError, Unreachable, ApiError) as error:
            self.unreachable = str(error)

    @property
    def cluster(self) -> Cluster:
        """Return the cluster, or raise Unreachable with the reason and the remedy."""
        if self.unreachable or not self._cluster:
            raise Unreachable(f"configured Kubernetes cluster is unreachable: {self.unreachable}")
        return self._cluster

    @property
    def default_namespace(self) -> str:
        """Return the namespace for objects that name none."""
        return self._cluster.access.namespace if self._cluster else self.settings.namespace or "default"

    @property
    def access(self) -> kubeconfig.Access | None:
        """Return how the cluster is reached, where that is known."""
        return self._cluster.access if self._cluster else None

    def has_namespaces(self, api_version: str, kind: str) -> bool:
        """Tell whether a kind has namespaces; one that nobody can be asked about is taken to have them."""
        if self.unreachable:
            return True
        found = self.cluster.known_kind(api_version, kind)
        return found.namespaced if found else True

    def _namespaced(self, target: Mapping[str, Any]) -> bool:
        """Tell whether a kind has namespaces; one that is not served yet is taken to have them."""
        if self.unreachable:
            return bool(identity.namespace(target))
        found = self.cluster.known_kind(identity.api_version(target), str(target.get("kind")))
        return found.namespaced if found else True

    def _served(self, target: Mapping[str, Any]) -> bool:
        if self.unreachable:
            return False
        return self.cluster.known_kind(identity.api_version(target), str(target.get("kind"))) is not None

    # Check

    def check(self, urn: str, olds: Properties, news: Properties, naming: Naming) -> Checked:
        """Return the inputs with name, namespace and labels filled in."""
        token = identity.urn_type(urn)
        if self.unreachable and self.settings.skip_update_unreachable:
            self.log.warning(urn, "the cluster is unreachable and skipUpdateUnreachable is set: left as it is")
            return Checked(olds)
        if identity.is_list(token) and isinstance(news.get("items"), list):
            return Checked(news, (("items", "a list is no resource: declare each of its items as one"),))
        old, new = state.to_object(olds), state.to_object(news)
        version, kind = identity.kind_of_type(token)
        new.setdefault("apiVersion", version)
        new.setdefault("kind", kind)
        new.setdefault("metadata", {})
        patch = identity.is_patch(token, new["kind"])
        found = faults(new, patch, self.settings.server_side_apply)
        if found:
            return Checked(news, found)
        self._warn_of_hooks(urn, new)
        for key in identity.metadata(new).get("annotations") or {}:
            if str(key).startswith(identity.AUTONAMED):
                self.log.warning(
                    urn, f"the annotation {key} is the provider's own: what the program says is not heeded"
                )
        new = named(urn, old, new, naming)
        if (old and identity.has_managed_by(old)) or (not old and not self.settings.server_side_apply):
            new = identity.with_managed_by(new)
        if not isinstance(new["metadata"], Unknown):
            given = identity.metadata(new).get("namespace")
            if not given and self._namespaced(new):
                new = identity.with_namespace(new, self.default_namespace)
        return Checked(state.to_properties(new, news))

    def _warn_of_hooks(self, urn: str, new: Properties) -> None:
        hooks = [
            value
            for key, value in (identity.metadata(new).get("annotations") or {}).items()
            if str(key).startswith(identity.HELM_HOOK) and "test" not in str(value)
        ]
        if hooks and not self.settings.suppress_helm_hook_warnings:
            self.log.warning(urn, "this resource is a Helm hook: it will be created, but not run as a hook")

    # Diff

    def immutable_paths(self, token: str, target: Mapping[str, Any]) -> Sequence[replacing.Path]:
        """Return the paths whose change replaces a resource."""
        if identity.is_patch(token, str(target.get("kind"))):
            return replacing.NAMES
        return replacing.immutable_paths(
            target,
            config_map_mutable=self.settings.config_map_mutable,
            secret_mutable=self.settings.secret_mutable,
        )

    def diff(self, urn: str, olds: Properties, news: Properties, ignore_changes: Sequence[str]) -> Differences:
        """Return what an update would change."""
        saved, new = state.parse(olds), state.to_object(news)
        found = compare(
            saved.live,
            saved.inputs,
            new,
            namespaced=self._namespaced(new),
            immutable=self.immutable_paths(identity.urn_type(urn), new),
            ignored=[parse_path(one) for one in ignore_changes],
        )
        if identity.is_true(new, identity.REPLACE_UNREADY) and new.get("kind") == "Job" and not self.unreachable:
            return self._replacing_unready(saved.live, new, found)
        return found

    def _replacing_unready(self, live: Properties, new: Properties, found: Differences) -> Differences:
        from portolan.embedded.kubernetes.diff import Change, Difference

        try:
            kind, namespace = apply.target_of(self._call("", "", dry_run=True), live)
            current = self.cluster.get(kind, namespace, identity.name(live))
        except (ApiError, NoSuchKind):
            return found
        if awaits.verdicts.job(current).ready:
            return found
        path: replacing.Path = ("metadata", "annotations", identity.REPLACE_UNREADY)
        fields = (*(one for one in found.fields if one.path != path), Difference(path, Change.UPDATE, True))
        return Differences(fields, delete_first=not identity.is_true(new, identity.AUTONAMED))

    # Create, update, delete

    def _call(self, urn: str, manager: str, *, dry_run: bool, force: bool = False) -> apply.Call:
        def warn(text: str) -> None:
            if dry_run or "deprecated" not in text or not self.settings.suppress_deprecation_warnings:
                self.log.warning(urn, text)

        return apply.Call(
            cluster=self.cluster,
            manager=manager,
            cancelled=self.cancelled,
            progress=self._progress(urn),
            warn=warn if not (self.settings.suppress_deprecation_warnings and dry_run) else lambda text: None,
            dry_run=dry_run,
            force=force,
        )

    def _progress(self, urn: str) -> Progress:
        return lambda text: self.log.status(urn, text)

    def _manager(self, saved: str | None, inputs: Mapping[str, Any]) -> str:
        if not self.settings.server_side_apply:
            return identity.CREATE_MANAGER
        chosen = identity.annotation(inputs, identity.PATCH_FIELD_MANAGER)
        return chosen or saved or identity.unique(f"{identity.CREATE_MANAGER}-")

    def _forced(self, inputs: Mapping[str, Any]) -> bool:
        return self.settings.patch_force or identity.is_true(inputs, identity.PATCH_FORCE)

    def create(self, urn: str, news: Properties, seconds: float, preview: bool) -> Outcome:
        """Create an object and wait until it is ready; a preview lets the API server try it."""
        new = state.to_object(news)
        patch = identity.is_patch(identity.urn_type(urn), new.get("kind"))
        skip = has_unknown(new) or patch or not self.settings.server_side_apply or not self._served(new)
        if preview and skip:
            return Outcome("", news)
        manager = self._manager(None, new)
        upsert = patch or (self.settings.upsert and self.settings.server_side_apply)
        call = self._call(urn, manager, dry_run=preview, force=self._forced(new) or (preview and upsert))
        try:
            live = apply.create(call, new, upsert=upsert)
        except ApiError as error:
            if preview and (error.forbidden or error.not_found or error.already_exists or _no_dry_run(error)):
                return Outcome("", news)
            raise
        if preview:
            live.pop("status", None)
            return Outcome("", state.checkpoint(new, live, news, new["apiVersion"], manager))
        return self._ready(urn, new, news, live, seconds, new["apiVersion"], manager, "was created but is not ready")

    def _ready(
        self,
        urn: str,
        new: Properties,
        news: Properties,
        live: Properties,
        seconds: float,
        first_version: str,
        manager: str,
        fault: str,
    ) -> Outcome:
        try:
            live = awaits.until_ready(self.cluster, new, live, seconds, self.cancelled, self._progress(urn))
        except NotReady as error:
            where = f"{live['kind']} {identity.identity(live)}"
            raise PartialFailure(
                identity.identity(error.live),
                f"{where} {fault}: {error}",
                error.reasons,
                state.checkpoint(new, error.live, news, first_version, manager),
            ) from error
        if live["kind"] == "CustomResourceDefinition":
            apply.wait_served(self.cluster, live, SERVED_SECONDS)
        self.log.status(urn, "")
        return Outcome(identity.identity(live), state.checkpoint(new, live, news, first_version, manager))

    def update(
        self, urn: str, olds: Properties, news: Properties, seconds: float, preview: bool, ignore_changes: Sequence[str]
    ) -> Outcome:
        """Bring an object to its new inputs and wait until it is ready again."""
        saved, new = state.parse(olds), state.to_object(news)
        if preview and (has_unknown(new) or not self._served(new)):
            return Outcome("", news)
        first_version = saved.initial_api_version or saved.inputs.get("apiVersion") or new["apiVersion"]
        before, manager = self._manager(saved.field_manager, saved.inputs), self._manager(saved.field_manager, new)
        call = self._call(urn, manager, dry_run=preview, force=self._forced(new))
        patch = identity.is_patch(identity.urn_type(urn), new.get("kind"))
        old = prune(saved.live, saved.inputs) if saved.inputs else saved.live
        old = {**old, "metadata": {**(old.get("metadata") or {}), "name": identity.name(saved.live)}}
        try:
            live = apply.update(
                call,
                old,
                new,
                server_side=self.settings.server_side_apply,
                patch=patch,
                ignored=[parse_path(one) for one in ignore_changes],
            )
        except (ApiError, PortolanError) as error:
            if preview and isinstance(error, ApiError) and error.forbidden:
                return Outcome("", news)
            raise self._not_updated(saved.live, new, news, first_version, manager, error) from error
        if preview:
            return Outcome("", state.checkpoint(new, live, news, first_version, manager))
        outcome = self._ready(urn, new, news, live, seconds, first_version, manager, "was updated but is not ready")
        if self.settings.server_side_apply and before != manager:
            apply.relinquish(call, live, before)
        return outcome

    def _not_updated(
        self,
        last: Properties,
        new: Properties,
        news: Properties,
        first_version: str,
        manager: str,
        error: Exception,
    ) -> Exception:
        """Return the failure of an update with the object as it now is, so that the next run sees what is left."""
        message = f"update of {last.get('kind')} {identity.identity(last)} failed: {error}"
        try:
            kind, namespace = apply.target_of(self._call("", manager, dry_run=False), last)
            live = self.cluster.get(kind, namespace, identity.name(last))
        except (ApiError, NoSuchKind, Unreachable) as second:
            return PortolanError(
                f"{last.get('kind')} {identity.identity(last)}",
                f"update failed: {error} (and its present state could not be read: {second})",
                "run `pulumi refresh`, then `pulumi up` again",
            )
        return PartialFailure(
            identity.identity(live), message, [], state.checkpoint(new, live, news, first_version, manager)
        )

    def delete(self, urn: str, object_id: str, olds: Properties, seconds: float) -> None:
        """Delete an object and wait until it is gone; a patch only gives its fields back."""
        saved = state.parse(olds)
        if self.unreachable:
            if self.settings.delete_unreachable:
                self.log.warning(urn, f"the cluster is unreachable ({self.unreachable}); deleted from the state alone")
                return
            raise Unreachable(f"configured Kubernetes cluster is unreachable: {self.unreachable}; {GONE_REMEDY}")
        live = saved.live if identity.name(saved.live) else saved.inputs
        if not live.get("kind"):
            version, kind = identity.kind_of_type(identity.urn_type(urn))
            live = {**live, "apiVersion": version, "kind": kind}
        manager = self._manager(saved.field_manager, saved.inputs)
        call = self._call(urn, manager, dry_run=False)
        _, name = identity.parse_identity(object_id)
        try:
            if identity.is_patch(identity.urn_type(urn), live["kind"]) and self.settings.server_side_apply:
                self._give_back(call, live, manager)
                return
            left = apply.delete(call, saved.inputs, live, name)
            if left is None or skips_delete(saved.inputs):
                return
            awaits.until_gone(self.cluster, left, seconds, saved.inputs, self.cancelled, self._progress(urn))
        except NoSuchKind:
            return
        except NotReady as error:
            raise PartialFailure(
                identity.identity(error.live),
                f"{error.live['kind']} {identity.identity(error.live)} was not deleted: {error}",
                error.reasons,
                state.checkpoint(saved.inputs, error.live, olds, saved.initial_api_version or "", manager),
            ) from error
        self.log.status(urn, "")

    @staticmethod
    def _give_back(call: apply.Call, live: Properties, manager: str) -> None:
        try:
            apply.relinquish(call, live, manager)
        except ApiError as error:
            if error.not_found:
                return
            required = [one.get("field") for one in error.causes if one.get("reason") == "FieldValueRequired"]
            if not required:
                raise
            raise PortolanError(
                f"{live.get('kind')} {identity.identity(live)}",
                f"this Patch manages a required field, so it cannot be deleted: {', '.join(map(str, required))}",
                "set the resource option retain_on_delete, or let another manager take the field over first",
            ) from error

    # Read

    def read(self, urn: str, object_id: str, properties: Properties, inputs: Properties) -> Outcome | None:
        """Return an object as it is now; None where it is not there any more. Without inputs this is an import."""
        if self.unreachable:
            return self._read_unreachable(urn, object_id, properties, inputs)
        namespace, name = identity.parse_identity(object_id)
        saved, old = state.parse(properties), state.to_object(inputs)
        imported = not old.get("kind")
        if imported:
            version, kind = identity.kind_of_type(identity.urn_type(urn))
            if kind.endswith("Patch") and self.cluster.known_kind(version, kind) is None:
                kind = kind.removesuffix("Patch")
            old = {"apiVersion": saved.live.get("apiVersion", version), "kind": saved.live.get("kind", kind)}
            old = identity.with_namespace({**old, "metadata": {"name": name}}, namespace)
        old = normalize(old)
        try:
            found, where = apply.target_of(self._call(urn, "", dry_run=False), old)
            live = self.cluster.get(found, namespace or where, name)
        except NoSuchKind:
            return None
        except ApiError as error:
            if error.not_found:
                return None
            raise
        imported = imported and not saved.live.get("kind")
        live_inputs = importable(live) if imported else prune(live, old)
        first_version = saved.initial_api_version or old.get("apiVersion") or live["apiVersion"]
        manager = self._manager(saved.field_manager, old)
        kept = state.checkpoint(live_inputs, live, inputs, first_version, manager)
        outcome = Outcome(object_id, kept, kept[state.INPUTS])
        reasons = () if imported else awaits.reasons_not_ready(self.cluster, old, live)
        if reasons:
            raise PartialFailure(
                object_id,
                f"{live['kind']} {object_id} is not ready: {'; '.join(reasons)}",
                reasons,
                kept,
                outcome.inputs,
            )
        return outcome

    def _read_unreachable(self, urn: str, object_id: str, properties: Properties, inputs: Properties) -> Outcome | None:
        if self.settings.delete_unreachable:
            self.log.warning(urn, f"the cluster is unreachable ({self.unreachable}); taken out of the state")
            return None
        if self.settings.skip_update_unreachable:
            self.log.warning(urn, f"the cluster is unreachable ({self.unreachable}); the state is left as it was")
            return Outcome(object_id, properties, inputs)
        raise Unreachable(f"configured Kubernetes cluster is unreachable: {self.unreachable}; {GONE_REMEDY}")


def _no_dry_run(error: ApiError) -> bool:
    return error.code == 400 and "does not support dry run" in str(error)
