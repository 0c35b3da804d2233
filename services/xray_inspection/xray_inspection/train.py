"""Train the small detector: `python -m xray_inspection.train --output s3://models/xray-inspection/1/`.

It learns from images that a program draws, half a minute on one core, and is written as ONNX. A real detector takes its
place by `xray_inspection.seal`; everything else stays.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_training.command import Options, Trained, parser, run, say
from model_training.figures import figure
from xray_inspection import __version__
from xray_inspection.detector import Detection, Detector, Settings, overlap
from xray_inspection.export import to_onnx
from xray_inspection.images import attenuation
from xray_inspection.network import GEOMETRY, STRIDE, Adam, Network, Values, loss_gradient
from xray_inspection.synthetic import CLASSES, Box, Drawn, draw

NAME = "xray-inspection"
MODEL_FILE, SETTINGS_FILE = "detector.onnx", "detector.json"
CROP, BATCH = 96, 16
IMAGES = 400  # drawn to learn from
STEPS = 700
RATE = 3e-3
JUDGED_WIDTH, JUDGED_HEIGHT, JUDGED_IMAGES = 320, 192, 60
SAME_OBJECT = 0.5  # overlap of a box with the true one
THRESHOLDS = tuple(round(0.1 + 0.05 * i, 2) for i in range(17))

TITLE = {
    "en": "Model card: objects in X-ray images of cargo",
    "fr": "Fiche du modèle : objets dans les images radioscopiques de fret",
}
USE = {
    "en": "Marks dense and hollow objects in a scan for the officer who reads it. This detector is small and learnt "
    "from drawn images: it proves the path from a scanner's file to boxes, and holds the place of a real one.",
    "fr": "Signale à l'agent qui lit l'image les objets denses ou creux. Ce détecteur est petit et appris sur des "
    "images dessinées : il prouve le chemin du fichier du scanner aux boîtes, et tient la place d'un vrai.",
}
LIMITS = {
    "en": "Every image was drawn by a program. The figures say that pixels become boxes as they should; they say "
    "nothing about contraband, real cargo, real scanners or their noise. Do not inspect with this model.",
    "fr": "Toutes les images ont été dessinées par un programme. Les résultats disent que les pixels deviennent des "
    "boîtes comme il se doit ; ils ne disent rien de la contrebande, du fret réel, des scanners réels ni de leur "
    "bruit. Ne pas contrôler avec ce modèle.",
}


def targets(boxes: Sequence[Box], size: int) -> tuple[Values, Values]:
    """Return what the head should say of an image of `size`: centres by class, and geometry."""
    cells = size // STRIDE
    wanted = np.zeros((len(CLASSES), cells, cells), dtype=np.float32)
    geometry = np.zeros((GEOMETRY, cells, cells), dtype=np.float32)
    for box in boxes:
        x, y = (box.left + box.right) / 2 / STRIDE, (box.top + box.bottom) / 2 / STRIDE
        column, row = int(x), int(y)
        wanted[box.kind, row, column] = 1
        sizes = (np.log((box.right - box.left) / STRIDE), np.log((box.bottom - box.top) / STRIDE))
        geometry[:, row, column] = (x - column, y - row, *sizes)
    return wanted, geometry


def learn(seed: int, steps: int = STEPS, images: int = IMAGES) -> Network:
    """Return a network learnt from drawn images; equal arguments give equal networks."""
    drawn = [draw(CROP, CROP, 1 + i % 3, seed * 1_000_000 + i) for i in range(images)]
    inputs = np.stack([attenuation(one.pixels) for one in drawn])[:, None]
    goals = [targets(one.boxes, CROP) for one in drawn]
    wanted, geometry = np.stack([one[0] for one in goals]), np.stack([one[1] for one in goals])
    network = Network.fresh(len(CLASSES), seed)
    descent = Adam(network, RATE)
    generator = np.random.default_rng(seed)
    for step in range(steps):
        chosen = generator.integers(0, images, BATCH)
        flip = generator.random() < 0.5
        some, centres, places = inputs[chosen], wanted[chosen], geometry[chosen].copy()
        if flip:
            some, centres, places = some[..., ::-1], centres[..., ::-1], places[..., ::-1].copy()
            places[:, 0] = np.where(centres.max(1) > 0, 1 - places[:, 0], 0)
        some = np.ascontiguousarray(some)
        head, kept = network.forward(some)
        loss, gradient = loss_gradient(head, centres, places, len(CLASSES))
        by_weight, by_offset = network.backward(some, kept, gradient)
        descent.step([*by_weight, *by_offset], 1 - step / steps)
        if step % 100 == 0:
            say(f"step {step} of {steps}, loss {loss:.3f}")
    return network


def matches(found: Sequence[Detection], drawn: Drawn) -> tuple[int, int, int]:
    """Return how many detections are right, how many are not, and how many objects were missed."""
    left = list(drawn.boxes)
    right = 0
    for one in found:
        best = max(left, key=lambda box: overlap(one.box, (box.left, box.top, box.right, box.bottom)), default=None)
        if best is None or CLASSES[best.kind] != one.kind:
            continue
        if overlap(one.box, (best.left, best.top, best.right, best.bottom)) >= SAME_OBJECT:
            left.remove(best)
            right += 1
    return right, len(found) - right, len(left)


def counted(detector: Detector, images: Sequence[Drawn], threshold: float) -> NDArray[np.int64]:
    """Return right, wrong and missed of each image at a threshold."""
    rows = []
    for one in images:
        found = [it for it in detector.detect(attenuation(one.pixels)) if it.score >= threshold]
        rows.append(matches(found, one))
    return np.array(rows, dtype=np.int64)


def train(options: Options) -> Trained:
    """Draw, learn, choose the threshold, and judge on images of their own."""
    content = to_onnx(learn(options.seed, options.steps))
    seed = options.seed * 1_000_000
    chosen_on = [draw(JUDGED_WIDTH, JUDGED_HEIGHT, i % 4, seed + 500_000 + i) for i in range(JUDGED_IMAGES)]
    judged_on = [draw(JUDGED_WIDTH, JUDGED_HEIGHT, i % 4, seed + 600_000 + i) for i in range(JUDGED_IMAGES)]
    loose = Detector(content, Settings("centres", CLASSES, THRESHOLDS[0]))
    found = [loose.detect(attenuation(one.pixels)) for one in chosen_on]

    def quality(threshold: float) -> float:
        rows = np.array(
            [
                matches([it for it in some if it.score >= threshold], one)
                for some, one in zip(found, chosen_on, strict=True)
            ]
        )
        right, wrong, missed = (int(one) for one in rows.sum(0))
        return round(2 * right / max(1, 2 * right + wrong + missed), 4)

    threshold = max(THRESHOLDS, key=lambda one: (quality(one), -one))
    settings = Settings("centres", CLASSES, threshold)
    rows = counted(Detector(content, settings), judged_on, threshold)
    drawn = {"en": "drawn by a program", "fr": "dessinées par un programme"}
    card = {
        "version": __version__,
        "title": TITLE,
        "use": USE,
        "limits": LIMITS,
        "data": [
            {"name": "images learnt from", "origin": drawn, "rows": IMAGES},
            {"name": "images the threshold is chosen on", "origin": drawn, "rows": len(chosen_on)},
            {"name": "images judged by", "origin": drawn, "rows": len(judged_on)},
        ],
        "figures": results(rows, options.seed),
        "parameters": {"threshold": threshold, "steps": options.steps, "bytes": len(content)},
    }
    return Trained({MODEL_FILE: content, SETTINGS_FILE: settings.to_json()}, card)


def results(rows: NDArray[np.int64], seed: int) -> list[dict[str, Any]]:
    """Return the figures of the card; images are drawn anew for their intervals."""
    labels = {
        "precision": {"en": "detections that are right", "fr": "détections justes"},
        "recall": {"en": "objects that are found", "fr": "objets trouvés"},
        "false alarms an image": {"en": "false alarms an image", "fr": "fausses alertes par image"},
    }

    def precision(chosen: NDArray[np.int64]) -> float | None:
        right, wrong, _ = rows[chosen].sum(0).tolist()
        return right / (right + wrong) if right + wrong else None

    def recall(chosen: NDArray[np.int64]) -> float | None:
        right, _, missed = rows[chosen].sum(0).tolist()
        return right / (right + missed) if right + missed else None

    def alarms(chosen: NDArray[np.int64]) -> float | None:
        return float(rows[chosen, 1].mean())

    statistics = (precision, recall, alarms)
    return [
        {**figure(name, statistic, len(rows), seed), "label": labels[name]}
        for name, statistic in zip(labels, statistics, strict=True)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    made = parser(NAME, "Train the small detector on drawn images.")
    made.add_argument("--steps", type=int, default=STEPS, help="steps of descent (default: %(default)s)")
    return run(NAME, Path(__file__).parent, train, made, arguments)


if __name__ == "__main__":
    sys.exit(main())
