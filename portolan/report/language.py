"""Words, numbers, dates and units in the reader's language.

Words come from `catalogue/<language>.yaml`; numbers, dates and units from the Unicode CLDR by way of Babel.
Sentences that other rooms write in English (warnings, sources of constants) are looked up in `catalogue/phrases.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent
from babel.units import format_compound_unit, format_unit
from ruamel.yaml import YAML

from portolan.errors import PortolanError
from portolan.report.content import LanguageName
from portolan.requirements.schema import Text

CATALOGUE = Path(__file__).parent / "catalogue"
LOCALES: dict[LanguageName, str] = {"en": "en_GB", "fr": "fr_FR"}
NO_BREAK, NARROW = "\u00a0", "\u202f"
PLACEHOLDER = re.compile(r"\{(\w+)\}")

# Base unit of the plan -> steps of (factor, CLDR unit, CLDR unit of the denominator), in short form but for LONG:
# CLDR's short English of a second is "sec", and of a byte has no plural.
STEPS: dict[str, tuple[tuple[float, str, str | None], ...]] = {
    "bytes": (
        (1e15, "digital-petabyte", None),
        (1e12, "digital-terabyte", None),
        (1e9, "digital-gigabyte", None),
        (1e6, "digital-megabyte", None),
        (1.0, "digital-byte", None),
    ),
    "bits/s": (
        (1e9, "digital-gigabit", "duration-second"),
        (1e6, "digital-megabit", "duration-second"),
        (1.0, "digital-bit", "duration-second"),
    ),
    "bytes/s": (
        (1e9, "digital-gigabyte", "duration-second"),
        (1e6, "digital-megabyte", "duration-second"),
        (1.0, "digital-byte", "duration-second"),
    ),
    "seconds": (
        (1.0, "duration-second", None),
        (1e-3, "duration-millisecond", None),
        (1e-6, "duration-microsecond", None),
    ),
    "hours": ((1.0, "duration-hour", None),),
    "kW": ((1.0, "power-kilowatt", None),),
    "kWh": ((1.0, "energy-kilowatt-hour", None),),
    "W": ((1.0, "power-watt", None),),
    "kg": ((1e3, "mass-tonne", None), (1.0, "mass-kilogram", None)),
}
LONG = frozenset({"duration-second", "duration-hour", "digital-byte"})


@cache
def catalogue(name: str) -> dict[str, Any]:
    """Return a catalogue file with its nested keys joined by dots."""
    document = YAML(typ="safe").load((CATALOGUE / f"{name}.yaml").read_text(encoding="utf-8"))
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        elif isinstance(value, list):
            flat[prefix] = tuple(str(item) for item in value)
        else:
            flat[prefix] = str(value)

    walk("", document)
    return flat


def typographic(text: str, language: LanguageName) -> str:
    """Return the text with the apostrophes and spaces that its language prints.

    >>> typographic("l'offre : oui ?", "fr")
    'l\u2019offre\\xa0: oui\\u202f?'
    """
    text = re.sub(r"(?<=\w)'(?=\w)", "\u2019", text)
    if language == "en":
        text = re.sub(r"\"([^\"]*)\"", "\u201c\\1\u201d", text)
    if language == "fr":
        text = text.replace("« ", f"«{NO_BREAK}").replace(" »", f"{NO_BREAK}»")
        text = re.sub(r" :(?=\s|$)", f"{NO_BREAK}:", text)
        text = re.sub(r" ([;?!])", rf"{NARROW}\1", text)
        text = re.sub(r"(?<=\d) (?=%|\$|€|Go\b|To\b|Mo\b|Gbit|h\b|kW)", NO_BREAK, text)
    return text


class Tongue:
    """One language: what the report says in it, and how it writes numbers."""

    def __init__(self, language: LanguageName) -> None:
        self.language = language
        self.locale = Locale.parse(LOCALES[language])
        self.words = catalogue(language)
        self.untranslated: set[str] = set()

    def say(self, key: str, **values: object) -> str:
        """Return the words for `key`; raises KeyError where the key, or a value for a placeholder, is missing."""
        return typographic(self.words[key].format_map(values), self.language)

    def many(self, key: str) -> tuple[str, ...]:
        """Return a list of the catalogue."""
        return tuple(typographic(item, self.language) for item in self.words[key])

    def count(self, key: str, number: int, **values: object) -> str:
        """Return the words for a number of things, in the plural form that the language wants."""
        form = self.locale.plural_form(number)
        chosen = f"{key}.{form}" if f"{key}.{form}" in self.words else f"{key}.other"
        return self.say(chosen, number=self.number(number), **values)

    def pick(self, text: Text) -> str:
        """Return the sentence of a requirement row."""
        return typographic(text.fr if self.language == "fr" else text.en, self.language)

    def phrase(self, sentence: str) -> str:
        """Return a sentence that another room wrote in English; what has no translation stays English and is noted."""
        if self.language == "en" or not sentence:
            return typographic(sentence, self.language)
        found = translate(sentence)
        if found is None:
            self.untranslated.add(sentence)
            return sentence
        return typographic(found, self.language)

    def expression(self, sentence: str) -> str:
        """Return a formula as it is printed: with signs of multiplication and comparison."""
        text = self.phrase(sentence)
        for plain, sign in ((" * ", " \u00d7 "), (">=", "\u2265"), ("<=", "\u2264"), (" us ", " \u00b5s ")):
            text = text.replace(plain, sign)
        return text.replace("`", '"')

    def number(self, value: float | Decimal | int, decimals: int | None = None) -> str:
        """Return a number, with at most three decimals or exactly as many as are asked for."""
        if decimals is None:
            exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
            pattern = "#,##0.###" if abs(exact) >= 1 or exact == 0 else "0.######"
        else:
            pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        return format_decimal(value, format=pattern, locale=self.locale)

    def money(self, amount: Decimal | float, currency: str, cents: bool = True) -> str:
        """Return an amount with its currency's code, so that no dollar is taken for another."""
        pattern = "#,##0.00\u00a0¤¤" if cents else "#,##0\u00a0¤¤"
        return format_currency(
            amount, currency, format=pattern, locale=self.locale, currency_digits=False, decimal_quantization=True
        )

    def percent(self, share: float, decimals: int = 0) -> str:
        """Return a share of one as a percentage."""
        whole = self.locale.percent_formats[None].pattern
        pattern = whole.replace("#,##0", "#,##0." + "0" * decimals) if decimals else whole
        return format_percent(share, format=pattern, locale=self.locale)

    def date(self, day: date) -> str:
        """Return a date in words."""
        return format_date(day, "long", locale=self.locale)

    def quantity(self, value: float, unit: str) -> str:
        """Return a number in the unit of the plan, stepped to the prefix that people use.

        >>> Tongue("fr").quantity(16e9, "bytes")
        '16\\u202fGo'
        """
        steps = STEPS.get(unit)
        if unit == "bytes" and value >= 1e9 and value % 2**30 == 0 and value % 1e9 != 0:  # as memory is sold
            return self._counted(value / 2**30, "GiB")
        if steps is None:
            return self._counted(value, unit)
        smallest = steps[-1] if value else next(step for step in steps if step[0] == 1.0)
        factor, name, below = next((step for step in steps if abs(value) >= step[0]), smallest)
        shown = float(f"{value / factor:.4g}") if value / factor < 1000 else round(value / factor)
        text = (
            format_unit(shown, name, length="long" if name in LONG else "short", locale=self.locale)
            if below is None
            else format_compound_unit(shown, name, denominator_unit=below, length="short", locale=self.locale)
        )
        return (text or "").replace(" ", NO_BREAK)

    def _counted(self, value: float, unit: str) -> str:
        if unit == "transfers/s" and value >= 1e6:  # as modules are sold
            return f"{self.number(value / 1e6)}{NO_BREAK}MT/s"
        if unit == "millicores":  # a share of a processor, as people say it
            value, unit = value / 1000, "cores"
        if unit == "MiB" and value >= 1024:
            value, unit = value / 1024, "GiB"
        value = float(round(value)) if abs(value) >= 1000 else float(f"{value:.4g}")
        shown = self.number(value)
        if not unit:
            return shown
        key = f"units.{unit}"
        if f"{key}.other" in self.words:
            form = self.locale.plural_form(value)
            word = self.words[f"{key}.{form}" if f"{key}.{form}" in self.words else f"{key}.other"]
        elif key in self.words:
            word = self.words[key]
        else:
            self.untranslated.add(f"unit {unit}")
            word = unit
        return f"{shown}{NO_BREAK}{word}"


@cache
def _memory() -> tuple[tuple[re.Pattern[str], str], ...]:
    entries = YAML(typ="safe").load((CATALOGUE / "phrases.yaml").read_text(encoding="utf-8"))
    return tuple((_pattern(entry["en"]), entry["fr"]) for entry in entries)


def _pattern(sentence: str) -> re.Pattern[str]:
    """Return the pattern that finds a sentence again whatever stands in its placeholders."""
    parts = PLACEHOLDER.split(sentence)
    source = "".join(re.escape(part) if place % 2 == 0 else f"(?P<{part}>.+?)" for place, part in enumerate(parts))
    return re.compile(source, re.DOTALL)


@cache
def translate(sentence: str) -> str | None:
    """Return the French of an English sentence from `phrases.yaml`, None where the memory has none."""
    for pattern, french in _memory():
        match = pattern.fullmatch(sentence)
        if match:
            return french.format_map(match.groupdict())
    return None


def tongue(name: str) -> Tongue:
    """Return the language called `name`; raises PortolanError for one that the report does not speak."""
    known: dict[str, LanguageName] = {"en": "en", "fr": "fr"}
    if name not in known:
        raise PortolanError("--lang", f"no language '{name}'", f"give one of {', '.join(known)}")
    return Tongue(known[name])
