"""The same object always written the same way, so that a comparison finds changes and no spellings.

The API server writes `1024Mi` as `1Gi`, `stringData` as `data`, and drops what is null; so does this.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from portolan.embedded.kubernetes import identity

# What the server sets and no program may.
SERVER_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
# Groups whose types are the API server's own: quantities in them are rewritten. (Others are custom: left as they are.)
BUILT_IN_GROUPS = frozenset({"", "apps", "batch", "autoscaling", "policy", "extensions"})
# Maps from resource name to quantity, wherever they stand in a built-in object.
QUANTITY_MAPS = frozenset(
    {
        "limits", "requests", "hard", "capacity", "default", "defaultRequest", "max", "min",
        "maxLimitRequestRatio", "overhead",
    }
)  # fmt: skip
QUANTITIES = frozenset({"sizeLimit", "divisor", "averageValue"})

_QUANTITY = re.compile(r"^([+-]?[0-9.]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$")
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal("1e3"), "M": Decimal("1e6"),
    "G": Decimal("1e9"), "T": Decimal("1e12"), "P": Decimal("1e15"), "E": Decimal("1e18"),
}  # fmt: skip


def quantity(value: Any) -> Any:
    """Return a quantity in the API server's canonical form; what is none is returned as it is.

    >>> quantity("1024Mi"), quantity("0.5"), quantity(2), quantity("1000m"), quantity("1500Mi"), quantity("12e6")
    ('1Gi', '500m', '2', '1', '1500Mi', '12e6')
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    match = _QUANTITY.match(str(value))
    if not match:
        return value
    number, suffix = match.groups()
    try:
        amount = Decimal(number)
    except InvalidOperation:
        return value
    if suffix in _BINARY:
        amount *= _BINARY[suffix]
        # A binary quantity below 1024 or with a fraction is written in decimal form.
        if abs(amount) >= 1024 and amount == amount.to_integral_value():
            return _largest(amount, [(name, Decimal(size)) for name, size in _BINARY.items()])
        return _largest(amount, list(_DECIMAL.items()))
    if suffix and suffix[0] in "eE" and len(suffix) > 1:
        return value
    return _largest(amount * _DECIMAL.get(suffix or "", Decimal(1)), list(_DECIMAL.items()))


def _largest(amount: Decimal, units: list[tuple[str, Decimal]]) -> str:
    """Return an amount in the largest unit that leaves no fraction."""
    if amount == 0:
        return "0"
    for name, size in sorted([*units, ("", Decimal(1))], key=lambda unit: unit[1], reverse=True):
        scaled = amount / size
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{name}"
    # Finer than a billionth: the server rounds up to the next.
    return f"{int((amount / _DECIMAL['n']).to_integral_value(rounding='ROUND_CEILING'))}n"


def _quantities(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        if key in QUANTITY_MAPS and all(isinstance(item, str | int | float) for item in value.values()):
            return {name: quantity(item) for name, item in value.items()}
        return {name: _quantities(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_quantities(item) for item in value]
    return quantity(value) if key in QUANTITIES else value


def without_nulls(value: Any) -> Any:
    """Return the value without map entries that are null: to the API server they are not there."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _recoded(value: Any) -> Any:
    """Return base64 as the server writes it (it decodes and encodes again, which drops line breaks)."""
    try:
        return base64.b64encode(base64.b64decode(value)).decode() if isinstance(value, str) else value
    except binascii.Error:
        return value


def _secret(target: dict[str, Any]) -> dict[str, Any]:
    data, text = target.get("data"), target.get("stringData")
    result = {key: value for key, value in target.items() if key != "stringData" or not isinstance(text, Mapping)}
    if isinstance(data, Mapping):
        result["data"] = {key: _recoded(value) for key, value in data.items()}
    if isinstance(text, Mapping) and text:
        encoded = {
            key: base64.b64encode(value.encode()).decode() if isinstance(value, str) else value
            for key, value in text.items()
        }
        result["data"] = {**(result.get("data") or {}), **encoded}
    return result


def _definition(target: dict[str, Any]) -> dict[str, Any]:
    spec = target.get("spec")
    result = {key: value for key, value in target.items() if key != "status"}
    if isinstance(spec, Mapping) and spec.get("preserveUnknownFields") is False:
        result["spec"] = {key: value for key, value in spec.items() if key != "preserveUnknownFields"}
    return result


def normalize(target: dict[str, Any]) -> dict[str, Any]:
    """Return an object in the form that comparisons use.

    >>> normalize({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}})
    {'apiVersion': 'v1', 'kind': 'Secret', 'data': {'a': 'Yg=='}}
    """
    result: dict[str, Any] = without_nulls(target)
    version, kind = identity.api_version(result), result.get("kind")
    if version == "v1" and kind == "Secret":
        result = _secret(result)
    elif kind == "CustomResourceDefinition":
        result = _definition(result)
    elif version.rpartition("/")[0] in BUILT_IN_GROUPS:
        result = _quantities(result)
    held = result.get("metadata")
    if isinstance(held, dict):
        result["metadata"] = {key: value for key, value in held.items() if key not in SERVER_METADATA}
    return result


def prune(live: Any, shape: Any) -> Any:
    """Return only those parts of `live` that `shape` has too: what a program once set, as it is now.

    >>> prune({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}})
    {'a': {'b': 1}}
    """
    if isinstance(live, dict) and isinstance(shape, dict):
        return {key: prune(value, shape[key]) for key, value in live.items() if key in shape}
    if isinstance(live, list) and isinstance(shape, list):
        return _prune_list(live, shape)
    return live


def _prune_list(live: list[Any], shape: list[Any]) -> list[Any]:
    names = [item.get("name") if isinstance(item, dict) else None for item in shape]
    if shape and all(isinstance(one, str) for one in names) and len(set(names)) == len(names):
        # Containers, volumes, ports, variables: another party may put its own in between; ours are found by name.
        by_name = {item.get("name"): item for item in live if isinstance(item, dict)}
        return [prune(by_name[one], wanted) for one, wanted in zip(names, shape, strict=True) if one in by_name]
    pruned = [prune(item, wanted) for item, wanted in zip(live, shape, strict=False)]
    return pruned if not shape else [*pruned, *live[len(shape) :]]
