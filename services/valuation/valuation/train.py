"""Train the comparison: `python -m valuation.train --data s3://declarations/ --output s3://models/valuation/1/`.

How much a small group borrows is chosen on folds of the training file, by planted undervaluation that is found. The
later file only tells how good the outcome is. One command, and the same digests twice.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model_server.sealed import to_json
from model_server.storage import open_store
from model_training.command import Options, Trained, parser, run, say
from valuation import __version__
from valuation.evaluate import planted_area, results
from valuation.features import Declared, read_declared
from valuation.peers import Peers, deviations, fit, with_reference

NAME = "valuation"
FILE = "peers.json"
FOLDS = 3
BORROWING = (0.5, 2.0, 5.0)
LEAST = 5  # peers that are told as such; with fewer the wider group is
CHOICE_FACTOR = 0.35

TITLE = {
    "en": "Model card: declared values against those of their peers",
    "fr": "Fiche du modèle : valeurs déclarées comparées à celles de leurs pairs",
}
USE = {
    "en": "Tells how far a declared value a kilogram lies below that of the same goods of the same origin, with the "
    "usual value, the number of peers and the value at stake. A reason to ask for documents, never a new value: an "
    "officer decides, by the rules of the WTO Valuation Agreement.",
    "fr": "Indique de combien la valeur déclarée au kilogramme est inférieure à celle des mêmes marchandises de même "
    "origine, avec la valeur usuelle, le nombre de pairs et l'enjeu. C'est un motif pour demander des pièces, jamais "
    "une nouvelle valeur : l'agent décide, selon l'Accord de l'OMC sur l'évaluation.",
}
LIMITS = {
    "en": "The published set is synthetic (a CTGAN): a kilogram of the same goods of the same origin takes a few exact "
    "values there, closer than real prices ever lie, so what is planted stands out. The figures are therefore given "
    "twice: on the prices as published, and on prices that each vary by a factor of their own (two of three within "
    "1.5), which is nearer to real trade. Undervaluation was planted by lowering the price of one "
    "declaration in twenty, at random; real undervaluation is neither random nor spread evenly. The published labels "
    "follow the tuple of goods, route and tariff, not the price: an AUC near one half there is what a valuation model "
    "honestly reaches on them. None of these figures promises a rate on real declarations. Kilograms "
    "are a poor unit for goods sold by the piece. Prices are of the currency of the training data.",
    "fr": "Le jeu publié est synthétique (CTGAN) : le kilogramme d'une même marchandise de même origine n'y prend que "
    "quelques valeurs exactes, plus resserrées que ne le sont jamais des prix réels, et ce qui est introduit y "
    "ressort. Les résultats sont donc donnés deux fois : sur les prix publiés, et sur des prix variant chacun d'un "
    "facteur propre (deux sur trois dans un rapport de 1,5), plus proches du commerce réel. La sous-évaluation a été "
    "introduite en abaissant au hasard le prix d'une déclaration sur vingt ; la sous-évaluation réelle n'est ni "
    "aléatoire ni uniforme. Les étiquettes publiées suivent le n-uplet marchandise, route et tarif, non le prix : une "
    "AUC proche de un demi est ce qu'un modèle de valeur y atteint honnêtement. Aucun de ces résultats ne préjuge "
    "d'un taux sur des déclarations réelles. Le kilogramme convient mal aux marchandises vendues à la pièce. Les prix "
    "sont dans la monnaie des données d'apprentissage.",
}


def folds_of(rows: int, seed: int) -> np.ndarray:
    """Return the fold of each row."""
    return np.random.default_rng(seed).integers(0, FOLDS, rows)


def choose(declared: Declared, seed: int) -> tuple[float, bool]:
    """Return the borrowing, and whether quantities are levelled, that find most of what is planted in other folds."""
    folds = folds_of(len(declared), seed)
    found: dict[tuple[float, bool], float] = {}
    for borrowing in BORROWING:
        for with_slope in (False, True):
            areas = []
            for fold in range(FOLDS):
                inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
                peers = fit(declared.take(inside), borrowing, LEAST, with_slope)
                areas.append(planted_area(peers, declared.take(outside), CHOICE_FACTOR, seed))
            found[borrowing, with_slope] = float(np.mean(areas))
            say(f"borrowing {borrowing:g}, quantities levelled {with_slope}: AUC {found[borrowing, with_slope]:.4f}")
    return max(found, key=lambda one: (round(found[one], 4), one[0], one[1]))


def learn(declared: Declared, seed: int) -> Peers:
    """Return the model: fitted on all, its reference taken from folds that each fit left out."""
    borrowing, with_slope = choose(declared, seed)
    folds = folds_of(len(declared), seed)
    seen = [
        deviations(
            fit(declared.take(np.flatnonzero(folds != fold)), borrowing, LEAST, with_slope),
            declared.take(np.flatnonzero(folds == fold)),
        )
        for fold in range(FOLDS)
    ]
    return with_reference(fit(declared, borrowing, LEAST, with_slope), seen)


def train(options: Options) -> Trained:
    """Read, learn and judge."""
    store = open_store(options.data)
    learnt, judged = read_declared(store, options.train_name), read_declared(store, options.valid_name)
    say(f"read {len(learnt)} + {len(judged)} declarations with a mass and a price")
    peers = learn(learnt, options.seed)
    published = {"en": "import declarations with a mass and a price", "fr": "déclarations avec masse et prix"}
    card = {
        "version": __version__,
        "title": TITLE,
        "use": USE,
        "limits": LIMITS,
        "data": [{"name": one.name, "origin": published, "rows": len(one)} for one in (learnt, judged)],
        "figures": results(peers, learnt, judged, options.seed),
        "parameters": {"borrowing": peers.borrowing, "slopes": len(peers.slopes), "groups": len(peers.groups)},
    }
    return Trained({FILE: to_json(peers.to_document())}, card)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    made = parser(NAME, "Train the comparison of declared values.")
    made.add_argument("--data", required=True, help="folder, file:// or s3:// address of the two CSV files")
    made.add_argument("--train-name", default="train.csv", help="file to learn from (default: %(default)s)")
    made.add_argument("--valid-name", default="valid.csv", help="later file to judge by (default: %(default)s)")
    return run(NAME, Path(__file__).parent, train, made, arguments)


if __name__ == "__main__":
    sys.exit(main())
