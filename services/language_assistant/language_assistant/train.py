"""Make and judge the index: `python -m language_assistant.train --texts FOLDER --questions FILE --output MODEL`.

Without questions the weights are the usual ones, and the card says that the search was not measured on these texts.
The reader of invoices is judged on invoices that a program writes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from language_assistant import __version__, index
from language_assistant.documents import judged as invoices
from language_assistant.evaluate import choose, read_questions, results
from language_assistant.texts import read_texts
from language_assistant.words import LANGUAGES
from model_server.errors import ServiceError
from model_training.command import Options, Trained, parser, run, say
from text_encoder import open_encoder

NAME = "language-assistant"
QUESTIONS_LEAST = 8  # a language, of those that have an answer

TITLE = {
    "en": "Model card: answers from the administration's texts, and fields of invoices",
    "fr": "Fiche du modèle : réponses tirées des textes de l'administration, et champs de factures",
}
USE = {
    "en": "Finds the passages of the administration's own texts that answer a question in English or French and cites "
    "them; without a language model behind it, the answer is sentences of those passages, word for word. Reads "
    "the fields of a commercial invoice with text in it. It may propose an act (a lane, a document to ask for, an"
    " inspection); an officer confirms or rejects it, and nothing happens before. It gives no legal advice.",
    "fr": "Trouve les passages des textes de l'administration qui répondent à une question en anglais ou en français et"
    " les cite ; sans modèle de langage derrière lui, la réponse est faite de phrases de ces passages, mot pour "
    "mot. Lit les champs d'une facture commerciale contenant du texte. Il peut proposer un acte (un circuit plus "
    "sévère, un document à demander, une visite) ; un agent confirme ou rejette, et rien ne se passe avant. Il ne"
    " donne aucun conseil juridique.",
}
LIMITS = {
    "en": "This index is no language model: it neither reasons nor sums up, and it puts no two passages together. The "
    "encoder has learnt English; in French the words do most of the work, and a question in other words than the "
    "text's may miss it. A question is searched in its own language only. Where the figures are of the sample "
    "texts, texts and questions come from one hand and there are few of both: expect less on your own, and judge "
    "with questions that officers have asked. A question beside the texts may still find a passage: look at the "
    "passage. With a language model behind it (not measured here), citations are checked for being there, not for"
    " being right. The invoices that the reader is judged on are written by a program of the same hand: the "
    "figures are flattering.",
    "fr": "Cet index n'est pas un modèle de langage : il ne raisonne pas, ne résume pas et ne rapproche pas deux "
    "passages. L'encodeur a appris l'anglais ; en français, ce sont surtout les mots qui comptent, et une "
    "question en d'autres mots que le texte peut le manquer. Une question n'est cherchée que dans sa langue. "
    "Quand les résultats sont ceux des textes d'exemple, textes et questions sont d'une même main et peu nombreux"
    " : attendez moins des vôtres, et jugez avec des questions posées par des agents. Une question étrangère aux "
    "textes peut quand même trouver un passage : regardez-le. Avec un modèle de langage derrière lui (non mesuré "
    "ici), on vérifie que les citations existent, non qu'elles sont justes. Les factures sur lesquelles le "
    "lecteur est jugé sont écrites par un programme de la même main : les résultats sont flatteurs.",
}


def train(options: Options) -> Trained:
    """Read, choose and judge."""
    passages, digest = read_texts(options.texts)
    encoder = open_encoder()
    say(f"encoding {len(passages)} passages")
    made = index.build(passages, encoder)
    data = [_set("texts", {"en": f"sha256 {digest}", "fr": f"sha256 {digest}"}, len(passages))]
    figures: list[dict[str, Any]] = []
    if options.questions is not None:
        questions = read_questions(options.questions, made)
        vectors = encoder.encode([one.question for one in questions])
        halves = [
            [i for language in LANGUAGES for i in _rows(questions, language, answered)[part::2]]
            for part in (0, 1)
            for answered in (True, False)
        ]
        learnt, judging = sorted(halves[0] + halves[1]), sorted(halves[2] + halves[3])
        weighing = dict(made.weighing)
        for language in LANGUAGES:
            count = len(_rows(questions, language, True))
            if count and count < QUESTIONS_LEAST:
                remedy = f"write {QUESTIONS_LEAST} or more, or none"
                raise ServiceError(str(options.questions), f"{count} questions with an answer in {language}", remedy)
            if count:
                weighing[language] = choose(made, [questions[i] for i in learnt], vectors[learnt], language)
        made = replace(made, weighing=weighing)
        figures += results(made, [questions[i] for i in judging], vectors[judging], options.seed)
        origin = {"en": str(options.questions.name), "fr": str(options.questions.name)}
        data += [_set("questions that choose", origin, len(learnt)), _set("questions that judge", origin, len(judging))]
    figures += invoices.results(options.seed)
    written = {"en": "a program", "fr": "un programme"}
    card = {
        "version": __version__,
        "title": TITLE,
        "use": USE,
        "limits": LIMITS,
        "data": [*data, _set("invoices", written, invoices.COUNT)],
        "figures": figures,
        "parameters": {key: [one.meaning, one.least] for key, one in sorted(made.weighing.items())},
    }
    return Trained(index.to_files(made), card)


def _rows(questions: Sequence[Any], language: str, answered: bool) -> list[int]:
    return [i for i, one in enumerate(questions) if one.language == language and bool(one.passages) == answered]


def _set(name: str, origin: dict[str, str], rows: int) -> dict[str, Any]:
    return {"name": name, "origin": origin, "rows": rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    made = parser(NAME, "Make the index of texts, and judge it.")
    made.add_argument("--texts", type=Path, required=True, help="folder of .md, .txt and .pdf files")
    made.add_argument("--questions", type=Path, help="JSON file of questions with the passages that answer them")
    return run(NAME, Path(__file__).parent, train, made, arguments)


if __name__ == "__main__":
    sys.exit(main())
