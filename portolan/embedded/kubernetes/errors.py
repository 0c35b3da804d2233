"""What can go wrong between Pulumi and the API server, in words a person can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portolan.errors import PortolanError

CONFLICT_REMEDY = (
    "set the annotation pulumi.com/patchForce: 'true' on the resource (or enablePatchForce on the provider) to take "
    "the fields over, or take them out of the program"
)


class ApiError(Exception):
    """An answer of the API server other than success."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        self.code = code
        self.reason = reason
        self.details: Mapping[str, Any] = details or {}
        super().__init__(message)

    @property
    def causes(self) -> Sequence[Mapping[str, Any]]:
        """Return the single faults the server lists, if any."""
        return self.details.get("causes") or []

    @property
    def not_found(self) -> bool:
        """Tell whether the object (or its kind, or its namespace) is not there."""
        return self.code == 404

    @property
    def conflict(self) -> bool:
        """Tell whether another field manager owns what was to be applied."""
        return self.code == 409 and self.reason == "Conflict"

    @property
    def already_exists(self) -> bool:
        """Tell whether an object of that name is there."""
        return self.code == 409 and self.reason == "AlreadyExists"

    @property
    def ending(self) -> bool:
        """Tell whether an object of that name is there, but on its way out."""
        return self.already_exists and "object is being deleted" in str(self)

    @property
    def forbidden(self) -> bool:
        """Tell whether the user may not do that."""
        return self.code == 403

    @property
    def namespace_missing(self) -> bool:
        """Tell whether it is the namespace that is not there."""
        return self.not_found and self.details.get("kind") == "namespaces"


class NoSuchKind(Exception):  # noqa: N818
    """The API server serves no such apiVersion and kind."""

    def __init__(self, api_version: str, kind: str) -> None:
        self.api_version = api_version
        self.kind = kind
        super().__init__(
            f'no matches for kind "{kind}" in version "{api_version}": the API server does not serve it. '
            "Verify that any required CRDs have been created before this resource (depends_on)"
        )


class Unreachable(Exception):  # noqa: N818
    """The API server gave no answer."""


class Cancelled(Exception):  # noqa: N818
    """The engine asked for the end of everything under way."""

    def __init__(self) -> None:
        super().__init__("the operation was cancelled")


class NotReady(Exception):  # noqa: N818
    """The object is there but did not become what was awaited; `live` is what it was last seen as."""

    def __init__(self, live: dict[str, Any], reasons: Sequence[str]) -> None:
        self.live = live
        self.reasons = list(reasons)
        super().__init__("; ".join(reasons))


class PartialFailure(Exception):  # noqa: N818
    """The object was changed in part: the engine must save `state` and report `reasons`."""

    def __init__(
        self,
        identity: str,
        message: str,
        reasons: Sequence[str],
        state: Mapping[str, Any],
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        self.identity = identity
        self.reasons = [message, *(reason for reason in reasons if reason not in message)]
        self.state = state
        self.inputs = inputs
        super().__init__(message)


def conflict(error: ApiError, where: str, manager: str) -> PortolanError:
    """Return what to tell about fields that another manager owns.

    The server's message names each manager and its fields.
    """
    return PortolanError(
        where, f"field conflict: the resource managed by field manager {manager!r} met {error}", CONFLICT_REMEDY
    )


def already_exists(error: ApiError, where: str) -> PortolanError:
    """Return what to tell about an object that is there already."""
    return PortolanError(
        where,
        f"the resource already exists in the cluster: {error}",
        "adopt it with `pulumi import`, use a Patch resource for single fields, give a renamed resource an alias, or "
        "set upsertExistingObjects on the provider to apply over what is there",
    )
