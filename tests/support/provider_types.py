"""What the providers' own packages say of a resource's inputs: names, types, what must be given, known words."""

from __future__ import annotations

import enum
import importlib
import inspect
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pulumi import _types

SECRET_MARK = "4dabf18193072939515e22adb298388d"
PACKAGES = {"aws": "pulumi_aws", "azure-native": "pulumi_azure_native", "gcp": "pulumi_gcp"}


@cache
def arguments_of(kind: str) -> type:
    """Return the provider's class of a resource's arguments, by the type's token."""
    provider, place, name = kind.split(":")
    package = importlib.import_module(f"{PACKAGES[provider]}.{place.partition('/')[0]}")
    # Where an input of another resource has the type's name, the provider calls the arguments InitArgs.
    return getattr(package, f"{name}InitArgs", None) or getattr(package, f"{name}Args")


@cache
def _names(kind: type) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Return the types of the inputs by their Pulumi names, and which of them must be given."""
    pulumi_names = _types.input_type_py_to_pulumi_names(kind)
    given = inspect.signature(kind.__init__).parameters.values()
    required = {
        pulumi_names.get(one.name, one.name)
        for one in given
        if one.name not in ("self", "__self__")
        and one.default is inspect.Parameter.empty
        and one.kind is not inspect.Parameter.VAR_KEYWORD
    }
    return _types.input_type_types(kind), frozenset(required)


def wrong(value: Any, expected: Any, at: str) -> Iterator[str]:
    """Yield what of a value is not of the provider's type."""
    if isinstance(value, dict) and SECRET_MARK in value:
        value = value["value"]
    expected = _types.unwrap_type(expected)
    if typing.get_origin(expected) is typing.Union:
        choices = typing.get_args(expected)
        words = next((one for one in choices if inspect.isclass(one) and issubclass(one, enum.Enum)), None)
        if words is not None:
            yield from wrong(value, words, at)
            return
        # A value, or a promise of one, or the same as a dictionary.
        expected = choices[0]
    if inspect.isclass(expected) and issubclass(expected, enum.Enum):
        known = [one.value for one in expected]
        if value not in known:
            yield f"{at}: {value!r} is none of {', '.join(map(str, known))}"
    elif inspect.isclass(expected) and _types.is_input_type(expected):
        yield from _object(value, expected, at)
    else:
        yield from _plain(value, expected, at)


def _object(value: Any, expected: type, at: str) -> Iterator[str]:
    names, required = _names(expected)
    if not isinstance(value, dict):
        yield f"{at}: {value!r} is not {expected.__name__}"
        return
    for key in sorted(required - {name for name, entry in value.items() if entry is not None}):
        yield f"{at}: {expected.__name__} asks for {key}"
    for key, entry in value.items():
        if key not in names:
            yield f"{at}.{key}: {expected.__name__} has no such input"
        elif entry is not None:
            yield from wrong(entry, names[key], f"{at}.{key}")


def _plain(value: Any, expected: Any, at: str) -> Iterator[str]:
    origin = typing.get_origin(expected)
    name = getattr(origin, "__name__", "")
    if origin is list or name == "Sequence":
        if not isinstance(value, list):
            yield f"{at}: {value!r} is not a list"
            return
        for place, entry in enumerate(value):
            yield from wrong(entry, typing.get_args(expected)[0], f"{at}[{place}]")
    elif origin is dict or name == "Mapping":
        if not isinstance(value, dict):
            yield f"{at}: {value!r} is not a map"
            return
        for key, entry in value.items():
            yield from wrong(entry, typing.get_args(expected)[1], f"{at}.{key}")
    elif expected is bool and not isinstance(value, bool):
        yield f"{at}: {value!r} is not a flag"
    elif expected is str and not isinstance(value, str):
        yield f"{at}: {value!r} is not text"
    elif expected is int and (isinstance(value, bool) or not isinstance(value, int | float) or value != int(value)):
        yield f"{at}: {value!r} is not a whole number"
    elif expected is float and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield f"{at}: {value!r} is not a number"
