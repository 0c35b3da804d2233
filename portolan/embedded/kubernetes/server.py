"""Pulumi's resource provider service over gRPC: translates each call and its failures, and decides nothing itself."""

from __future__ import annotations

import contextlib
import functools
import threading
import traceback
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from portolan.embedded import NAME, plugin
from portolan.embedded.kubernetes import identity, invokes
from portolan.embedded.kubernetes import kubeconfig as kubeconfigs
from portolan.embedded.kubernetes.declared import Naming
from portolan.embedded.kubernetes.diff import Change, Differences, path_text
from portolan.embedded.kubernetes.errors import ApiError, Cancelled, NoSuchKind, PartialFailure, Unreachable
from portolan.embedded.kubernetes.helm.command import Helm
from portolan.embedded.kubernetes.helm.release import Releases
from portolan.embedded.kubernetes.properties import UNKNOWN, from_struct, reveal, to_struct
from portolan.embedded.kubernetes.provider import Provider
from portolan.embedded.kubernetes.settings import UNSUPPORTED, settings
from portolan.errors import PortolanError

_KINDS = {
    (Change.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Change.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Change.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Change.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
    (Change.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Change.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
}
Method = Callable[[Any, Any, grpc.ServicerContext], Any]


def _fail(context: grpc.ServicerContext, message: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort always raises")


class _Status(grpc.Status):  # type: ignore[misc]
    """A gRPC status with the details that the engine reads."""

    def __init__(self, failure: PartialFailure) -> None:
        detail = provider_pb2.ErrorResourceInitFailed(
            id=failure.identity,
            properties=to_struct(failure.state),
            reasons=failure.reasons,
            inputs=to_struct(failure.inputs) if failure.inputs is not None else None,
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(failure))
        status.details.add().Pack(detail)
        self.code = grpc.StatusCode.UNKNOWN
        self.details = str(failure)
        self.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)


def _answered(method: Method) -> Method:
    """Turn what can go wrong into what the engine shows."""

    @functools.wraps(method)
    def call(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except PartialFailure as failure:
            context.abort_with_status(_Status(failure))
        except (PortolanError, ApiError, NoSuchKind, Unreachable, Cancelled) as error:
            _fail(context, str(error))
        except Exception as error:
            if context.code() is not None or (type(error) is Exception and not error.args):
                raise  # an abort that is under way
            self.log.debug("", traceback.format_exc())
            shown = traceback.format_exc(limit=-4)
            _fail(context, f"{NAME} Kubernetes provider: unexpected {type(error).__name__}: {error}\n{shown}")

    return call


class KubernetesProvider(provider_pb2_grpc.ResourceProviderServicer):
    """The resource provider service for Kubernetes."""

    def __init__(self, log: plugin.EngineLog) -> None:
        self.log = log
        self._cancelled = threading.Event()
        self._provider: Provider | None = None

    @property
    def provider(self) -> Provider:
        """Return the configured provider."""
        if self._provider is None:
            raise PortolanError(
                f"{NAME} Kubernetes provider", "is not configured", "report this: the engine always does"
            )
        return self._provider

    @_answered
    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Say what this is: the version of the SDK it goes with, and that it is the embedded one."""
        return plugin_pb2.PluginInfo(version=f"{metadata.version('pulumi-kubernetes')}+portolan.embedded")

    @_answered
    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """End every wait that is under way."""
        self._cancelled.set()
        return empty_pb2.Empty()

    # Configuration

    @_answered
    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Accept the provider's settings, but for those that would silently do nothing."""
        news = reveal(from_struct(request.news))
        failures = [
            provider_pb2.CheckFailure(
                property=name, reason=f"{name} is not supported by the {NAME} Kubernetes provider"
            )
            for name in UNSUPPORTED
            if news.get(name) not in (None, "", "false", False)
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @_answered
    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Replace the provider, and with it all it made, where it points to another cluster."""
        olds, news = reveal(from_struct(request.olds)), reveal(from_struct(request.news))
        changed = sorted(key for key in {*olds, *news} if olds.get(key) != news.get(key))
        if not changed:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME, diffs=changed, replaces=provider_replaces(olds, news, changed)
        )

    @_answered
    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Connect to the cluster. One that cannot be reached is no failure yet: previews and removals may go on."""
        arguments = from_struct(request.args)
        if not arguments:
            arguments = {name.rpartition(":")[2]: value for name, value in request.variables.items()}
        self._provider = Provider(settings(arguments), self.log, self._cancelled)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @property
    def releases(self) -> Releases:
        """Return the operations on Helm releases."""
        provider = self.provider
        return Releases(self._helm(), self.log, provider.default_namespace, provider.unreachable)

    def _helm(self) -> Helm:
        provider = self.provider
        return Helm(provider.access, provider.settings.helm, self._cancelled)

    # Functions

    @_answered
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Call a function: they work in previews too, and without a cluster where they can."""
        arguments = reveal(from_struct(request.args))
        match request.tok:
            case "kubernetes:yaml:decode":
                text, namespace = arguments.get("text"), arguments.get("defaultNamespace") or ""
            case "kubernetes:helm:template":
                options = invokes.chart_options(arguments.get("jsonOpts") or "{}")
                capabilities = None if self.provider.unreachable else self.provider.cluster.capabilities()
                text, namespace = invokes.render(self._helm(), options, capabilities), options.get("namespace") or ""
            case "kubernetes:kustomize:directory":
                text, namespace = invokes.kustomize(str(arguments.get("directory")), self._cancelled), ""
            case other:
                raise PortolanError(other, f"is no function of the {NAME} Kubernetes provider", "see its reference")
        if not isinstance(text, str):
            raise PortolanError(request.tok, "has no text", "give it a string")
        found = invokes.decode(text, namespace, self.provider.has_namespaces)
        return provider_pb2.InvokeResponse(**{"return": to_struct({"result": found})})

    @_answered
    def Construct(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuse the provider's own components, and name what serves instead."""
        raise PortolanError(
            f"{request.type} {request.name}",
            f"components of the provider are not in the {NAME} Kubernetes provider",
            "use pulumi_kubernetes.yaml, pulumi_kubernetes.helm.v3 or pulumi_kubernetes.kustomize (not yaml.v2, "
            "helm.v4 or kustomize.v2)",
        )

    # Resources

    @_answered
    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Fill in defaults and name what is wrong."""
        options = request.autonaming
        mode = provider_pb2.CheckRequest.AutonamingOptions
        naming = Naming(
            seed=bytes(request.randomSeed),
            proposed=options.proposed_name if request.HasField("autonaming") else "",
            disabled=request.HasField("autonaming") and options.mode == mode.DISABLE,
        )
        olds, news = from_struct(request.olds), from_struct(request.news)
        if _is_release(request.urn):
            checked = self.releases.check(request.urn, olds, news)
        else:
            checked = self.provider.check(request.urn, olds, news, naming)
        return provider_pb2.CheckResponse(
            inputs=to_struct(checked.inputs),
            failures=[provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in checked.failures],
        )

    @_answered
    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Say what an update would change, and whether it must replace."""
        olds, news = from_struct(request.olds), from_struct(request.news)
        if _is_release(request.urn):
            found = self.releases.diff(olds, news, list(request.ignoreChanges))
        else:
            found = self.provider.diff(request.urn, olds, news, list(request.ignoreChanges))
        return diff_response(found)

    @_answered
    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Create, and wait until ready."""
        news = from_struct(request.properties)
        if _is_release(request.urn):
            done = self.releases.create(request.urn, news, request.preview)
        else:
            done = self.provider.create(request.urn, news, request.timeout, request.preview)
        properties = request.properties if done.properties is news else to_struct(done.properties)
        return provider_pb2.CreateResponse(id=done.identity, properties=properties)

    @_answered
    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Update in place, and wait until ready."""
        news = from_struct(request.news)
        olds = from_struct(request.olds)
        if _is_release(request.urn):
            done = self.releases.update(request.urn, olds, news, request.preview)
        else:
            ignored = list(request.ignoreChanges)
            done = self.provider.update(request.urn, olds, news, request.timeout, request.preview, ignored)
        return provider_pb2.UpdateResponse(
            properties=request.news if done.properties is news else to_struct(done.properties)
        )

    @_answered
    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Read the live state, for refresh and import."""
        properties = from_struct(request.properties)
        if _is_release(request.urn) and not self.provider.unreachable:
            found = self.releases.read(request.id, properties)
        else:
            found = self.provider.read(request.urn, request.id, properties, from_struct(request.inputs))
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=found.identity,
            properties=to_struct(found.properties),
            inputs=to_struct(found.inputs) if found.inputs is not None else None,
        )

    @_answered
    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Delete, and wait until gone."""
        properties = from_struct(request.properties)
        if _is_release(request.urn) and not self.provider.unreachable:
            self.releases.delete(properties)
        else:
            self.provider.delete(request.urn, request.id, properties, request.timeout)
        return empty_pb2.Empty()


def _is_release(urn: str) -> bool:
    return identity.urn_type(urn) == identity.HELM_RELEASE


def diff_response(found: Differences) -> Any:
    """Return the differences in the engine's words."""
    changes = provider_pb2.DiffResponse
    detailed = {
        path_text(one.path): provider_pb2.PropertyDiff(
            kind=_KINDS[one.change, one.replaces], inputDiff=one.change is Change.DELETE
        )
        for one in found.fields
        if one.path
    }
    return provider_pb2.DiffResponse(
        changes=changes.DIFF_SOME if detailed else changes.DIFF_NONE,
        diffs=sorted({str(one.path[0]) for one in found.fields if one.path}),
        replaces=[path_text(one.path) for one in found.replaces],
        deleteBeforeReplace=found.delete_first,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


def provider_replaces(olds: Mapping[str, Any], news: Mapping[str, Any], changed: list[str]) -> list[str]:
    """Return the settings whose change means another cluster: then all that the provider made is made anew."""
    identifier = "clusterIdentifier"
    replaces = [identifier] if identifier in changed and olds.get(identifier) and news.get(identifier) else []
    if identifier not in changed and news.get(identifier):
        return []
    unknown = [key for key in ("kubeconfig", "context", "cluster") if news.get(key) is UNKNOWN]
    if unknown:
        return [*replaces, *unknown]
    before, after = _active_cluster(olds), _active_cluster(news)
    if before and after and before != after:
        replaces += [key for key in ("kubeconfig", "context", "cluster") if key in changed]
    return replaces


def _active_cluster(arguments: Mapping[str, Any]) -> Any:
    chosen = settings(arguments, {})
    if not chosen.kubeconfig:
        return None
    with contextlib.suppress(PortolanError):
        access = kubeconfigs.load(chosen.kubeconfig, chosen.context, chosen.cluster, None)
        return access.server, access.authority_pem, access.insecure, access.tls_server_name
    return None


def main() -> None:
    """Serve the provider to the engine whose address is the last argument."""
    provider = KubernetesProvider(plugin.EngineLog(plugin.engine_address()))
    plugin.serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server))
