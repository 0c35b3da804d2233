"""Texts become passages with addresses of their own; what cannot be read is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SAMPLES

from language_assistant.texts import WORDS_MOST, passages_of, read_texts
from language_assistant.words import language_of, sentences, stems, words
from model_server.errors import ServiceError


def test_a_section_is_a_passage_with_an_address() -> None:
    found = passages_of("en/transit.md", "# Note 3\n\nIntroduction.\n\n## The seals\n\nSeals are checked.\n")
    assert [(one.id, one.title, one.section, one.language) for one in found] == [
        ("en/transit#start", "Note 3", "", "en"),
        ("en/transit#the-seals", "Note 3", "The seals", "en"),
    ]


def test_a_long_section_is_cut_between_sentences() -> None:
    text = "# T\n\n## S\n\n" + "This sentence has exactly seven whole words. " * 40
    found = [one for one in passages_of("long.md", text) if one.section]
    assert [one.id for one in found] == ["long#s", "long#s.2", "long#s.3", "long#s.4"]
    assert all(len(one.text.split()) <= WORDS_MOST for one in found)
    assert all(one.text.endswith("words.") for one in found)


def test_equal_headings_get_addresses_of_their_own() -> None:
    found = passages_of("x.md", "# T\n\n## Fees\n\nOne.\n\n## Fees\n\nTwo.\n")
    assert [one.id for one in found] == ["x#fees", "x#fees.2"]


def test_text_without_headings_is_a_passage_too() -> None:
    found = passages_of("note.txt", "Les marchandises sont visitées.\n\nLe bureau ferme à midi.")
    assert [(one.id, one.language) for one in found] == [("note#start", "fr")]


def test_a_folder_of_a_volume_is_read_once(tmp_path: Path) -> None:
    hidden = tmp_path / "..data_1"
    hidden.mkdir()
    (hidden / "a.md").write_text("# A\n\nText of a.\n")
    (tmp_path / "a.md").symlink_to(hidden / "a.md")
    passages, _ = read_texts(tmp_path)
    assert [one.id for one in passages] == ["a#start"]


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("One.")
    before = read_texts(tmp_path)[1]
    assert read_texts(tmp_path)[1] == before
    (tmp_path / "a.md").write_text("Two.")
    assert read_texts(tmp_path)[1] != before


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("latin.txt", "d\xe9claration".encode("latin-1"), "no UTF-8"),
        ("broken.pdf", b"%PDF-1.4 nothing", "no PDF that can be read"),
        ("empty.md", b"\n\n", "hold no sentence"),
    ],
)
def test_a_text_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ServiceError, match=what):
        read_texts(tmp_path)


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="no text in it"):
        read_texts(tmp_path)
    with pytest.raises(ServiceError, match="no such folder"):
        read_texts(tmp_path / "nowhere")


def test_every_sample_text_has_its_other_language() -> None:
    passages, _ = read_texts(SAMPLES / "texts")
    count = {language: sum(one.language == language for one in passages) for language in ("en", "fr")}
    assert count["en"] == count["fr"] == 44


def test_words_stems_and_languages() -> None:
    assert words("10,000 crowns, 1 234,5 € d'Évian") == ["10000", "crowns", "1234", "5", "d", "evian"]
    assert stems("The declared declarations", "en") == ["declar", "declar"]
    assert language_of("Wie geht es?", otherwise="fr") == "fr"
    assert sentences("Fined 2.50 crowns. See note 4!  « Oui » dit-il.") == [
        "Fined 2.50 crowns.",
        "See note 4!",
        "« Oui » dit-il.",
    ]
