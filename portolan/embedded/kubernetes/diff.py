"""What changes between the live state, pruned to what the program once set, and what it sets now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from portolan.embedded.kubernetes import identity
from portolan.embedded.kubernetes.normalize import normalize, prune
from portolan.embedded.kubernetes.properties import UNKNOWN, Unknown
from portolan.embedded.kubernetes.replacing import Path, forces_replacement

_MISSING = object()


class Change(StrEnum):
    """What happens to one field."""

    ADD = "ADD"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True)
class Difference:
    """One field that changes, and whether that replaces the object."""

    path: Path
    change: Change
    replaces: bool


@dataclass(frozen=True)
class Differences:
    """All that changes, and whether the old object must go before the new one comes."""

    fields: tuple[Difference, ...]
    delete_first: bool

    @property
    def replaces(self) -> tuple[Difference, ...]:
        """Return the changes that replace the object."""
        return tuple(one for one in self.fields if one.replaces)


def path_text(path: Path) -> str:
    """Return a path in Pulumi's notation.

    >>> path_text(("metadata", "annotations", "pulumi.com/skipAwait")), path_text(("spec", "ports", 0, "port"))
    ('metadata.annotations["pulumi.com/skipAwait"]', 'spec.ports[0].port')
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif any(character in step for character in '."[]'):
            escaped = step.replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f".{step}" if text else step
    return text


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, bool) != isinstance(new, bool):
        return False
    return bool(old == new)


def _changes(path: Path, old: Any, new: Any) -> Iterator[tuple[Path, Change, Any]]:
    """Yield path, change and new value of every difference; lists are compared place by place."""
    if isinstance(new, Unknown):
        yield path, Change.ADD if old is _MISSING else Change.UPDATE, UNKNOWN
    elif new is _MISSING:
        yield path, Change.DELETE, None
    elif old is _MISSING:
        yield path, Change.ADD, new
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _changes((*path, key), old.get(key, _MISSING), new.get(key, _MISSING))
    elif isinstance(old, list) and isinstance(new, list):
        for place in range(max(len(old), len(new))):
            before = old[place] if place < len(old) else _MISSING
            after = new[place] if place < len(new) else _MISSING
            yield from _changes((*path, place), before, after)
    elif not _same(old, new):
        yield path, Change.UPDATE, new


def differences(
    old: Any, new: Any, immutable: Sequence[Path], ignored: Sequence[Path] = (), whole: Sequence[Path] = ()
) -> Differences:
    """Return the differences of two trees; a path of `whole` replaces when it goes (or, of a scalar, changes)."""
    fields = [
        Difference(
            path,
            change,
            forces_replacement(path, value, immutable) or (path in whole and (change is not Change.ADD)),
        )
        for path, change, value in _changes((), old, new)
        if not any(_under(path, one) for one in ignored)
    ]
    return Differences(tuple(sorted(fields, key=lambda one: path_text(one.path))), delete_first=False)


def comparable(
    live: dict[str, Any], old_inputs: dict[str, Any], new_inputs: dict[str, Any], namespaced: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is compared: the live state pruned to the old inputs' shape, and the new inputs."""
    new = normalize(new_inputs)
    old = prune(normalize(live), normalize(old_inputs))
    old = identity.with_namespace(old, (identity.namespace(old) or "default") if namespaced else "")
    if new.get("metadata") is not UNKNOWN and identity.metadata(new).get("namespace") is not UNKNOWN:
        new = identity.with_namespace(new, (identity.namespace(new) or "default") if namespaced else "")
    old.setdefault("apiVersion", identity.api_version(new))
    old.setdefault("kind", new.get("kind"))
    if identity.api_version(old) == identity.api_version(new):
        old["apiVersion"] = new["apiVersion"]
    if identity.is_named(new):
        # A program may spell out the name that was once made up, and nothing is replaced.
        old = {**old, "metadata": {**identity.metadata(old), "name": identity.name(live)}}
    return old, new


def compare(
    live: dict[str, Any],
    old_inputs: dict[str, Any],
    new_inputs: dict[str, Any],
    *,
    namespaced: bool,
    immutable: Sequence[Path],
    ignored: Sequence[Path] = (),
) -> Differences:
    """Return what an update would change.

    `ignored` are the paths of the resource option `ignore_changes`; a `*` in one stands for any step.
    """
    old, new = comparable(live, old_inputs, new_inputs, namespaced)
    # Another apiVersion or kind of the same name is another object, except that Kubernetes converts between the
    # versions of one group.
    renamed = _group(old) != _group(new) or old.get("kind") != new.get("kind")
    always: Sequence[Path] = (("metadata",), ("apiVersion",), ("kind",)) if renamed else (("metadata",),)
    found = differences(old, new, immutable, ignored, whole=always)
    same_place = identity.name(new) == identity.name(live) and identity.namespace(new) == (
        identity.namespace(live) or ("default" if namespaced else "")
    )
    return Differences(
        found.fields,
        delete_first=bool(found.replaces)
        and identity.is_named(new)
        and not identity.is_true(new, identity.AUTONAMED)
        and same_place
        and not renamed,
    )


def _group(target: Mapping[str, Any]) -> str:
    return identity.api_version(target).rpartition("/")[0]


def _under(path: Path, ignored: Path) -> bool:
    if len(path) < len(ignored):
        return False
    return all(wanted in ("*", step) for step, wanted in zip(path, ignored, strict=False))


def parse_path(text: str) -> Path:
    """Return a path from Pulumi's notation.

    >>> parse_path('metadata.annotations["a.b/c"]'), parse_path("spec.ports[0].port"), parse_path("spec.*")
    (('metadata', 'annotations', 'a.b/c'), ('spec', 'ports', 0, 'port'), ('spec', '*'))
    """
    path: list[str | int] = []
    rest = text
    while rest:
        if rest.startswith('["'):
            inner, _, rest = rest[2:].partition('"]')
            path.append(inner.replace('\\"', '"'))
        elif rest.startswith("["):
            inner, _, rest = rest[1:].partition("]")
            path.append(int(inner) if inner.lstrip("-").isdigit() else inner)
        else:
            rest = rest.removeprefix(".")
            end = min((rest.find(mark) for mark in ".[" if mark in rest), default=len(rest))
            path.append(rest[:end])
            rest = rest[end:]
    return tuple(path)
