"""The schema's complaints in the words of the person who wrote the site file."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from portolan.errors import PortolanError
from portolan.sites.document import Document

# Endings that carry a unit, and how the unit reads.
UNITS = {
    "_gigabytes_per_day": "gigabytes a day",
    "_per_day": "a day",
    "_per_second": "a second",
    "_per_hour": "an hour",
    "_per_month": "a month",
    "_per_kilowatt_hour": "a kilowatt-hour",
    "_hours": "hours",
    "_gigabytes": "gigabytes",
    "_bytes": "bytes",
    "_pixels": "pixels",
    "_years": "years",
    "_billions": "billions",
    "_seconds": "seconds",
    "_days": "days",
    "_per_year": "a fraction a year (0.15 is 15 %)",
}
# Keys that people write in percent.
PERCENTAGES = frozenset(
    {"availability", "share_on_site", "notebook_share", "language_model_active_share", "discount_rate", "tax_rate"}
)
REFERENCE = "see docs/reference/site.md"


def in_words(document: Document, root: type[BaseModel], errors: Sequence[ErrorDetails]) -> PortolanError:
    """Return one error: the first in the file's order, and where the others are."""
    misspelt = {_meant(root, error) for error in errors}
    real = [error for error in errors if not (error["type"] == "missing" and error["loc"] in misspelt)]
    told = sorted((_one(document, root, error) for error in real), key=lambda fault: fault[0])
    line, what, remedy = told[0]
    rest = [f"line {other}: {problem}" for other, problem, _ in told[1:]]
    if rest:
        what += f" (and {len(rest)} more: {'; '.join(rest)})"
    return PortolanError(f"{document.path}:{line}", what, remedy)


def _meant(root: type[BaseModel], error: ErrorDetails) -> tuple[str | int, ...] | None:
    """Return the key that an unknown key was meant to be; it is then not missing as well."""
    if error["type"] != "extra_forbidden":
        return None
    *parent, name = error["loc"]
    guess = guess_key(str(name), keys_at(root, parent))
    return None if guess is None else (*parent, guess)


def _one(document: Document, root: type[BaseModel], error: ErrorDetails) -> tuple[int, str, str]:
    context: dict[str, Any] = error.get("ctx", {})
    location = tuple(context["at"]) if "at" in context else error["loc"]
    key = ".".join(str(part) for part in location)
    line = document.line(location)
    if "remedy" in context:
        return line, f"{key}: {error['msg']}", str(context["remedy"])
    what, remedy = _describe(error, location, root)
    return line, f"{key}: {what}", remedy


def _describe(error: ErrorDetails, location: tuple[str | int, ...], root: type[BaseModel]) -> tuple[str, str]:
    given, kind, context = error.get("input"), error["type"], error.get("ctx", {})
    name = str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        return f"unknown key '{name}'", _near_key(name, keys_at(root, location[:-1]))
    if kind == "missing":
        return "is missing", f"add `{name}: ...`; {REFERENCE}"
    if kind in ("enum", "literal_error"):
        choices = [choice.strip("' ") for choice in str(context["expected"]).replace(" or ", ", ").split(", ")]
        near = get_close_matches(str(given), choices, n=1, cutoff=0.5)
        guess = f"did you mean '{near[0]}'? " if near else ""
        return f"'{given}' is none of {', '.join(choices)}", f"{guess}give one of {', '.join(choices)}"
    if kind in ("less_than", "less_than_equal", "greater_than", "greater_than_equal"):
        return _out_of_range(name, given, error)
    if kind in ("int_type", "float_type", "int_parsing", "float_parsing", "int_from_float"):
        return _not_a_number(name, given, whole=kind.startswith("int"))
    if (location[:1] == ("network",) or location[-1:] == ("hosts",)) and kind == "value_error":
        return (
            f"'{given}' is not an IPv4 range",
            "give the first address of the range and its length, for example 10.89.0.0/24",
        )
    if kind == "string_pattern_mismatch":
        return f"'{given}' is not a valid name", f"it must match {context['pattern']}: lower case, digits and hyphens"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"holds {_kind(given)}, not keys", f"put the keys of {name} below it, indented; {REFERENCE}"
    if kind in ("tuple_type", "list_type"):
        return f"holds {_kind(given)}, not a list", f"begin each entry of {name} with `- `; {REFERENCE}"
    if kind == "too_short":
        return "the list is empty", f"give at least one entry; {REFERENCE}"
    if kind == "string_type":
        return f"holds {_kind(given)}, not text", f'put it in quotes: {name}: "{given}"'
    return error["msg"], REFERENCE


def _near_key(name: str, known: Sequence[str]) -> str:
    guess = guess_key(name, known)
    if guess is None:
        return f"remove it, or use one of {', '.join(known)}"
    unit = unit_of(guess)
    return f"did you mean '{guess}'?" + (f" Its unit is {unit}; convert the number." if unit else "")


def guess_key(name: str, known: Sequence[str]) -> str | None:
    """Return the key that was meant: the one that differs by its unit alone, else the nearest in spelling.

    >>> guess_key("score_latency_milliseconds", ["training_declarations", "score_latency_seconds"])
    'score_latency_seconds'
    """
    quantity = name.rsplit("_", 1)[0].split("_per")[0]
    sharing = [key for key in known if "_" in name and key.startswith(f"{quantity}_")]
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return next(iter([*sharing, *near]), None)


def unit_of(name: str) -> str | None:
    """Return the unit that a key's name carries, in words.

    >>> unit_of("score_latency_seconds")
    'seconds'
    """
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), None)


def _out_of_range(name: str, given: Any, error: ErrorDetails) -> tuple[str, str]:
    limit = error["msg"].removeprefix("Input should be ")
    what = f"{given} is out of range: it must be {limit}"
    if name == "availability" and given == 1:
        return what, "give a fraction below 1, for example 0.999: nothing is never interrupted"
    if name in PERCENTAGES and isinstance(given, int | float) and 1 < given <= 100:
        return what, f"give a fraction: {given / 100:.6g} for {given} %"
    if name == "growth_per_year" and isinstance(given, int | float) and given > 1:
        return what, f"give a fraction: {given / 100:.6g} for {given} %"
    unit = unit_of(name)
    return what, f"give a number {limit}" + (f", in {unit}" if unit else "")


def _not_a_number(name: str, given: Any, whole: bool) -> tuple[str, str]:
    wanted = "a whole number" if whole else "a number"
    unit = unit_of(name)
    what = f"{given!r} is not {wanted}" if not isinstance(given, dict | list) else f"holds {_kind(given)}, not {wanted}"
    if isinstance(given, str) and _leading_number(given):
        number = _leading_number(given)
        if number == given.strip():
            return f"{what}: it is text, because of its quotes", f"remove the quotes: {name}: {number}"
        return what, f"give the number alone: {name}: {number}" + (
            f"; the unit is {unit}, as the name says; convert what is in another" if unit else ""
        )
    return what, f"give {wanted}" + (f"; the unit is {unit}" if unit else "")


def _leading_number(text: str) -> str:
    kept = ""
    for character in text.strip():
        if not (character.isdigit() or (character == "." and "." not in kept)):
            break
        kept += character
    return kept.rstrip(".")


def _kind(given: Any) -> str:
    if isinstance(given, dict):
        return "keys"
    if isinstance(given, list):
        return "a list"
    if given is None:
        return "nothing"
    if isinstance(given, bool):
        return "yes or no" if given else "no"
    return "a number" if isinstance(given, int | float) else "text"


def keys_at(root: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Return the keys that the schema knows at `location`."""
    model: type[BaseModel] | None = root
    for part in location:
        if isinstance(part, int) or model is None:
            continue
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field is not None else None
    return list(model.model_fields) if model is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) is None and not isinstance(annotation, types.UnionType):
        return None
    for inner in typing.get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
