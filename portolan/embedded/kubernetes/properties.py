"""Pulumi's property values as plain Python: maps, lists, scalars, `Secret` and `UNKNOWN`.

On the wire properties are protobuf Structs in which a map with a special key stands for a secret, an asset, an output
or a resource, and special strings stand for values that are not known yet. The constants are those of Pulumi's
protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
ASSET_SIGNATURE = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE_SIGNATURE = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE_SIGNATURE = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_STRINGS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # string, and any type
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # list
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # map
    }
)
UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# Integers up to here are exact in a protobuf number (a double).
EXACT_INTEGER_LIMIT = 2**53


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
"""A value that a preview cannot know yet."""


@dataclass(frozen=True)
class Secret:
    """A value that the state file must hold encrypted."""

    value: Any


@dataclass(frozen=True)
class Asset:
    """An asset or archive; Kubernetes objects have no room for one, charts do."""

    fields: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Return the asset's path or address, whichever it has."""
        return str(self.fields.get("path") or self.fields.get("uri") or "")


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Return a Struct as plain Python."""
    return {name: _from_value(value) for name, value in struct.fields.items()}


def _from_value(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            text = value.string_value
            return UNKNOWN if len(text) == 36 and text in UNKNOWN_STRINGS else text
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= EXACT_INTEGER_LIMIT else number
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _from_map(from_struct(value.struct_value))
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case _:
            return None


def _from_map(fields: dict[str, Any]) -> Any:
    match fields.get(SIGNATURE):
        case None:
            return fields
        case signature if signature == SECRET_SIGNATURE:
            return Secret(fields.get("value"))
        case signature if signature == OUTPUT_SIGNATURE:
            value = fields.get("value", UNKNOWN)
            return Secret(value) if fields.get("secret") else value
        case signature if signature == RESOURCE_SIGNATURE:
            return fields.get("id") or fields.get("urn")
        case signature if signature in (ASSET_SIGNATURE, ARCHIVE_SIGNATURE):
            return Asset(fields)
        case _:
            return fields


def to_struct(fields: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return plain Python (with `Secret` and `UNKNOWN`) as a Struct."""
    struct = struct_pb2.Struct()
    for name, value in fields.items():
        _fill(struct.fields[name], value)
    return struct


def _fill(target: struct_pb2.Value, value: Any) -> None:
    match value:
        case None:
            target.null_value = struct_pb2.NULL_VALUE
        case bool():
            target.bool_value = value
        case int() | float():
            target.number_value = value
        case str():
            target.string_value = value
        case Unknown():
            target.string_value = UNKNOWN_STRING
        case Secret():
            _fill_map(target, {SIGNATURE: SECRET_SIGNATURE, "value": value.value})
        case Asset():
            _fill_map(target, value.fields)
        case Mapping():
            _fill_map(target, value)
        case list() | tuple():
            target.list_value.SetInParent()
            for item in value:
                _fill(target.list_value.values.add(), item)
        case _:
            raise TypeError(f"a property cannot hold {type(value).__name__}")


def _fill_map(target: struct_pb2.Value, fields: Mapping[str, Any]) -> None:
    target.struct_value.SetInParent()
    inner = target.struct_value.fields
    for name, value in fields.items():
        _fill(inner[name], value)


def reveal(value: Any) -> Any:
    """Return the same value without `Secret` around any part of it; a fresh copy, safe to change."""
    match value:
        case Secret():
            return reveal(value.value)
        case dict():
            return {name: reveal(item) for name, item in value.items()}
        case list():
            return [reveal(item) for item in value]
        case _:
            return value


def has_unknown(value: Any) -> bool:
    """Tell whether any part is not known yet."""
    match value:
        case Unknown():
            return True
        case Secret():
            return has_unknown(value.value)
        case dict():
            return any(has_unknown(item) for item in value.values())
        case list():
            return any(has_unknown(item) for item in value)
        case _:
            return False


def has_secret(value: Any) -> bool:
    """Tell whether any part is secret."""
    match value:
        case Secret():
            return True
        case dict():
            return any(has_secret(item) for item in value.values())
        case list():
            return any(has_secret(item) for item in value)
        case _:
            return False


def mark_secrets(value: Any, like: Any) -> Any:
    """Return `value` with everything secret that is secret at the same place of `like`.

    Lists whose lengths differ cannot be matched by place: one with a secret inside makes the whole list secret.

    >>> mark_secrets({"a": 1, "b": 2}, {"a": Secret(0)})
    {'a': Secret(value=1), 'b': 2}
    """
    if isinstance(value, Secret):
        return value
    match like:
        case Secret():
            return Secret(value)
        case dict() if isinstance(value, dict):
            return {name: mark_secrets(item, like.get(name)) for name, item in value.items()}
        case list() if isinstance(value, list):
            if len(value) != len(like):
                return Secret(value) if has_secret(like) else value
            return [mark_secrets(item, other) for item, other in zip(value, like, strict=True)]
        case _:
            return value
