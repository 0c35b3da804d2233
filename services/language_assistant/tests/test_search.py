"""The right passages are found, as well as the card says, and the card says the same twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import SAMPLES

from language_assistant import train
from language_assistant.extractive import choose
from language_assistant.index import Index, from_sealed
from model_server.errors import ServiceError
from model_server.sealed import SealedModel, read_sealed
from model_server.storage import Folder
from text_encoder import Encoder

ARGUMENTS = ["--texts", str(SAMPLES / "texts"), "--questions", str(SAMPLES / "questions.json")]


def first(index: Index, encoder: Encoder, question: str) -> str:
    return index.search(question, encoder.encode([question])[0], 1)[0].passage.id


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("How long is a certificate EVD-1 valid?", "en/origin#validity-of-certificates"),
        ("Combien de temps un certificat EVD-1 est-il valable ?", "fr/origine#validite-des-certificats"),
        ("How many cigarettes may I bring?", "en/temporary#travellers-allowances"),
        ("Qui paie l'analyse du laboratoire ?", "fr/controle#visite-des-marchandises"),
    ],
)
def test_a_question_finds_its_passage_in_its_language(
    index: Index, encoder: Encoder, question: str, passage: str
) -> None:
    assert first(index, encoder, question) == passage


def test_meaning_finds_what_words_do_not(index: Index, encoder: Encoder) -> None:
    assert first(index, encoder, "What does my kitten need?") == "en/temporary#pets"


def test_what_the_texts_do_not_hold_finds_nothing(index: Index, encoder: Encoder) -> None:
    for question in ("Who won the football world cup?", "Explique l'intrication quantique."):
        assert index.search(question, encoder.encode([question])[0], 5) == []


def test_sentences_of_an_answer_are_the_passages_own(index: Index, encoder: Encoder) -> None:
    question = "When is the guarantee released?"
    found = index.search(question, encoder.encode([question])[0], 6)
    chosen = choose(question, found, index.lexical, "en")
    assert (1, "The guarantee is released within two working days.") in chosen
    assert all(text in found[number - 1].passage.text for number, text in chosen)


def test_training_twice_gives_the_same_digests(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main([*ARGUMENTS, "--output", str(tmp_path)]) == 0
    again = json.loads(capsys.readouterr().out)
    before = read_sealed(Folder(model))
    assert again["model_digest"] == before.digest
    assert again["evaluation_digest"] == before.card["evaluation_digest"]


def test_the_card_tells_recall_and_rank_in_both_languages(model: Path) -> None:
    figures = {one["name"]: one for one in read_sealed(Folder(model)).card["figures"]}
    for language, least in (("English", 0.7), ("French", 0.6)):
        assert figures[f"{language}: right passage among 5"]["value"] >= least
        both = figures[f"{language}: mean reciprocal rank, words and meaning"]["value"]
        assert both >= figures[f"{language}: mean reciprocal rank, words alone"]["value"]
        assert both >= figures[f"{language}: mean reciprocal rank, meaning alone"]["value"]
    assert "no language model" in (model / "card.en.md").read_text()
    assert "n'est pas un modèle de langage" in (model / "card.fr.md").read_text()


def test_without_questions_the_search_is_not_measured(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.md").write_text("# Fees\n\nThe fee is ten crowns.\n")
    assert train.main(["--texts", str(tmp_path / "texts"), "--output", str(tmp_path / "model")]) == 0
    card = read_sealed(Folder(tmp_path / "model")).card
    assert not [one for one in card["figures"] if "English" in one["name"]]


@pytest.mark.parametrize(
    ("questions", "what"),
    [
        ('{"questions": [{"language": "en", "question": "x", "passages": ["en/origin#nowhere"]}]}', "no passage"),
        ('{"questions": [{"language": "de", "question": "x", "passages": []}]}', "no language"),
        ('{"questions": [{"language": "en"}]}', "no questions"),
        ("[", "no questions"),
        ('{"questions": [{"language": "en", "question": "x", "passages": ["en/origin#cumulation"]}]}', "1 questions"),
    ],
)
def test_questions_that_cannot_judge_are_refused(
    questions: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.json").write_text(questions)
    arguments = [*ARGUMENTS[:3], str(tmp_path / "q.json"), "--output", str(tmp_path / "model")]
    assert train.main(arguments) == 2
    assert what in capsys.readouterr().err.splitlines()[-1]


def test_an_index_whose_files_do_not_belong_together_is_refused(model: Path) -> None:
    whole = read_sealed(Folder(model))
    fewer = json.dumps(json.loads(whole.files["passages.json"])[:-1]).encode()
    with pytest.raises(ServiceError, match="do not belong together"):
        from_sealed(SealedModel({**whole.files, "passages.json": fewer}, whole.card, whole.digest))
