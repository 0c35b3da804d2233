"""Reasons in the reader's language. Checks speak English; what has no translation stays as the check said it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from portolan.conformity.acceptance import reasons_unanswered

REASONS = Path(__file__).parent / "templates" / "reasons.yaml"


def reason_in(text: str, language: str) -> str:
    """Return a reason in a language, its parts as well.

    >>> reason_in("host.x on host/a: 4 cores measured, at least 8 cores wanted", "fr")
    'host.x sur host/a : 4 cores mesurés, au moins 8 cores attendus'
    """
    if language == "en" or not text:
        return text
    known = next((reason[language] for reason in reasons_unanswered().values() if reason["en"] == text), "")
    if known:
        return known
    for pattern, translated in _sentences(language):
        found = pattern.fullmatch(text)
        if found is not None:
            parts = {name: reason_in(part, language) for name, part in found.groupdict().items()}
            return translated.format_map(parts)
    return text


@cache
def _sentences(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    from ruamel.yaml import YAML

    entries = YAML(typ="safe").load(REASONS.read_text(encoding="utf-8"))
    return tuple((_pattern(entry["en"]), entry[language]) for entry in entries)


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", sentence)
    named = ((re.escape(part) if number % 2 == 0 else f"(?P<{part}>.+?)") for number, part in enumerate(parts))
    return re.compile("".join(named), re.DOTALL)
