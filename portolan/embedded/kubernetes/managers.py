"""Field managers: who owns which field of an object, and how ownership passes from create to server-side apply."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from portolan.embedded.kubernetes.replacing import Path

# Those whose fields an update takes over: plain creates by Pulumi, and kubectl before server-side apply.
SUPERSEDED = frozenset(
    {"pulumi-kubernetes", "pulumi-kubernetes.exe", "pulumi-resource-kubernetes", "before-first-apply"}
)

Entry = Mapping[str, Any]


def _is_superseded(entry: Entry) -> bool:
    if entry.get("subresource"):
        return False
    manager, updated = str(entry.get("manager")), entry.get("operation") == "Update"
    return superseded(manager) and (updated or manager.startswith("kubectl"))


def superseded(manager: str) -> bool:
    """Tell whether a manager's fields pass to Pulumi (kubectl signs as kubectl-edit, kubectl-patch and so on)."""
    return manager in SUPERSEDED or manager.startswith("kubectl")


def union(first: Any, second: Any) -> Any:
    """Return two field sets as one.

    >>> union({"f:spec": {"f:a": {}}}, {"f:spec": {"f:b": {}}})
    {'f:spec': {'f:a': {}, 'f:b': {}}}
    """
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        return second if first is None else first
    return {
        key: union(first.get(key), second.get(key)) for key in [*first, *(key for key in second if key not in first)]
    }


def taken_over(entries: Sequence[Entry], manager: str) -> list[Entry] | None:
    """Return the entries with the superseded managers' fields given to `manager`; None where there are none."""
    ours = [entry for entry in entries if _is_superseded(entry)]
    if not ours:
        return None
    applied = [
        entry
        for entry in entries
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")
    ]
    fields: Any = {}
    for entry in [*applied, *ours]:
        fields = union(fields, entry.get("fieldsV1") or {})
    whole = {**(applied or ours)[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    whole.pop("subresource", None)
    return [whole, *(entry for entry in entries if entry not in ours and entry not in applied)]


_CONFLICT = re.compile(r'^conflict with "(?P<manager>[^"]+)"(?P<subresource> with subresource)?')


def will_pass(causes: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether every conflict that the server lists is with a manager whose fields an update takes over."""
    matches = [_CONFLICT.match(str(cause.get("message"))) for cause in causes]
    return bool(matches) and all(one and not one["subresource"] and superseded(one["manager"]) for one in matches)


def owns(entries: Sequence[Entry], path: Path, manager: str, *, others: bool) -> bool:
    """Tell whether `manager` (or, with `others`, anybody else) owns the field at `path`.

    Steps into lists are not followed: whoever owns the list counts as the owner of its elements.
    """
    return any(
        _has(entry.get("fieldsV1") or {}, path) for entry in entries if (entry.get("manager") == manager) is not others
    )


def _has(fields: Mapping[str, Any], path: Path) -> bool:
    for step in path:
        if not isinstance(step, str):
            return True
        inner = fields.get(f"f:{step}")
        if inner is None:
            return False
        fields = inner
    return True
