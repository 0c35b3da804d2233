"""Both languages say the same, and nothing is left in the other."""

from __future__ import annotations

import re
from inspect import signature

import pytest

from portolan.errors import PortolanError
from portolan.report.content import Document
from portolan.report.language import PLACEHOLDER, Tongue, catalogue, tongue, translate
from portolan.sizing import engine  # noqa: F401  (its modules register the formulas)
from portolan.sizing.reasons import FORMULAS
from tests.unit.report.conftest import SITES, report

PLURALS = ("one", "many", "other")


def without_plural(key: str) -> str:
    head, _, last = key.rpartition(".")
    return head if last in PLURALS else key


def placeholders(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key, words in catalogue(name).items():
        text = " ".join(words) if isinstance(words, tuple) else words
        found.setdefault(without_plural(key), set()).update(PLACEHOLDER.findall(text))
    return found


def test_both_catalogues_have_the_same_keys_and_placeholders() -> None:
    assert placeholders("en") == placeholders("fr")


def test_both_catalogues_have_lists_of_the_same_length() -> None:
    english, french = catalogue("en"), catalogue("fr")
    lists = [key for key, words in english.items() if isinstance(words, tuple)]
    assert lists
    assert [key for key in lists if len(english[key]) != len(french[key])] == []


def test_a_missing_key_and_a_missing_value_are_errors() -> None:
    with pytest.raises(KeyError):
        Tongue("fr").say("no.such.key")
    with pytest.raises(KeyError):
        Tongue("fr").say("sites.intro", hosts="3")


def test_every_formula_has_its_french() -> None:
    assert [name for name, formula in FORMULAS.items() if translate(formula.expression) is None] == []


def test_every_input_of_a_formula_has_its_words() -> None:
    inputs = {name for formula in FORMULAS.values() for name in signature(formula.function).parameters}
    assert [name for name in sorted(inputs) if f"variable.{name}" not in catalogue("en")] == []


def test_no_sentence_of_an_example_site_is_left_untranslated(document: Document) -> None:
    assert document.untranslated == ()


def test_what_has_no_translation_is_noted_and_kept() -> None:
    words = Tongue("fr")
    assert words.phrase("nobody has translated this") == "nobody has translated this"
    assert words.untranslated == {"nobody has translated this"}


@pytest.mark.parametrize("site", SITES)
def test_both_languages_have_the_same_sections_tables_and_numbers(site: str) -> None:
    english, french = report(site, "en"), report(site, "fr")
    for one, other in zip((english.summary, *english.sections), (french.summary, *french.sections), strict=True):
        assert one.id == other.id
        assert [block.kind for block in one.blocks] == [block.kind for block in other.blocks]
    for left, right in zip(english.tables(), french.tables(), strict=True):
        assert (left.id, len(left.rows), len(left.columns)) == (right.id, len(right.rows), len(right.columns))
    assert [(line.item, line.quantity, line.checks) for line in english.bill.lines] == [
        (line.item, line.quantity, line.checks) for line in french.bill.lines
    ]


def test_references_to_sections_point_at_them() -> None:
    order = [section.id for section in report("onprem-starter", "en").sections]
    named = {4: "bill", 5: "sites", 7: "costs", 8: "compliance", 9: "evaluation", 12: "support"}
    assert {number: order[number - 1] for number in named} == named
    for language in ("en", "fr"):
        texts = " ".join(
            " ".join(words) if isinstance(words, tuple) else words for words in catalogue(language).values()
        )
        assert {int(number) for number in re.findall(r"section (\d+)\b", texts)} - {1} == set(named)


def test_numbers_units_and_dates_follow_the_language() -> None:
    english, french = Tongue("en"), Tongue("fr")
    assert english.number(1234.5) == "1,234.5"
    assert french.number(1234.5) == "1\u202f234,5"
    assert english.quantity(16e9, "bytes") == "16\u00a0GB"
    assert french.quantity(16e9, "bytes") == "16\u202fGo"
    assert french.percent(0.999, 2) == "99,90\u00a0%"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(PortolanError, match="no language 'de'"):
        tongue("de")
