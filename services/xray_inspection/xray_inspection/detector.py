"""An ONNX detector with what is before and after it: tiles, the provider, boxes, and one box an object.

Two kinds of files are understood. `centres`: what `xray_inspection.train` makes. `boxes`: outputs boxes [n, 4] (left,
top, right, bottom in pixels), scores [n] and labels [n], as most detectors are exported with their own selection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model_server.errors import ServiceError
from xray_inspection.images import Values
from xray_inspection.network import STRIDE
from xray_inspection.tiles import Tile, tiles

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # the first that this build and machine have
OVERLAP_OF_BOXES = 0.4  # two boxes of a class that share more are one object
LARGEST_LOG_SIZE = 5.0


@dataclass(frozen=True)
class Settings:
    """What goes with an ONNX file."""

    kind: Literal["centres", "boxes"]
    classes: tuple[str, ...]
    threshold: float
    tile: int = 512
    overlap: int = 64

    def to_json(self) -> bytes:
        """Return the file `detector.json`."""
        return (json.dumps(asdict(self), sort_keys=True, indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> Settings:
        """Return the settings of a file. Raises ServiceError where it is none."""
        try:
            document = json.loads(content)
            made = cls(
                document["kind"],
                tuple(map(str, document["classes"])),
                float(document["threshold"]),
                int(document["tile"]),
                int(document["overlap"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                "detector.json", f"no settings of a detector ({error})", "train or seal it again"
            ) from None
        made.check()
        return made

    def check(self) -> None:
        """Raise ServiceError where they cannot work."""
        if self.kind not in ("centres", "boxes"):
            raise ServiceError("kind", f"{self.kind!r}", "give centres or boxes")
        if not self.classes:
            raise ServiceError("classes", "there is none", "name what the detector finds")
        if not 0 < self.threshold < 1:
            raise ServiceError("threshold", f"{self.threshold}", "give a score between 0 and 1")
        if self.tile % STRIDE or not 0 <= self.overlap < self.tile // 2:
            raise ServiceError(
                "tile", f"{self.tile} with overlap {self.overlap}", f"give a multiple of {STRIDE}, overlap below half"
            )


@dataclass(frozen=True)
class Detection:
    """One object: what, how sure, and where in pixels of the image."""

    kind: str
    score: float
    box: tuple[float, float, float, float]

    def document(self) -> dict[str, Any]:
        """Return it as an answer tells it."""
        return {"class": self.kind, "score": round(self.score, 4), "box": [round(side, 1) for side in self.box]}


class Detector:
    """A session of ONNX Runtime and the settings that go with its file."""

    def __init__(self, content: bytes, settings: Settings, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        there = onnxruntime.get_available_providers()
        wanted = [provider for provider in PROVIDERS if provider in there]
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=wanted)
        except Exception as error:  # the library's own kinds are not exported
            raise ServiceError("detector.onnx", f"cannot be loaded ({error})"[:200], "export it again") from None
        self.settings = settings
        self._input = self._session.get_inputs()[0].name
        self._outputs = [one.name for one in self._session.get_outputs()]
        needed = {"centres": {"centres", "geometry"}, "boxes": {"boxes", "scores", "labels"}}[settings.kind]
        if missing := needed - set(self._outputs):
            remedy = f"give a file with the outputs {', '.join(sorted(needed))}"
            raise ServiceError("detector.onnx", f"no output {sorted(missing)[0]!r}", remedy)

    @property
    def provider(self) -> str:
        """Return what it runs on."""
        return str(self._session.get_providers()[0])

    def detect(self, image: Values) -> list[Detection]:
        """Return the objects of an image (attenuation), the surest first."""
        height, width = image.shape
        settings = self.settings
        found: list[tuple[int, float, NDArray[np.float64]]] = []
        for tile in tiles(width, height, settings.tile, settings.overlap, STRIDE):
            found += self._in_tile(image, tile)
        return [
            Detection(settings.classes[kind], score, _inside(box, width, height))
            for kind, score, box in one_box_each(found)
            if kind < len(settings.classes)
        ]

    def _in_tile(self, image: Values, tile: Tile) -> list[tuple[int, float, NDArray[np.float64]]]:
        part = np.ascontiguousarray(image[tile.top : tile.bottom, tile.left : tile.right])[None, None]
        answers = dict(zip(self._outputs, self._session.run(None, {self._input: part}), strict=True))
        decoded = (
            of_centres(answers, self.settings.threshold)
            if self.settings.kind == "centres"
            else of_boxes(answers, self.settings.threshold)
        )
        shift = np.array([tile.left, tile.top, tile.left, tile.top], dtype=np.float64)
        moved = [(kind, score, box + shift) for kind, score, box in decoded]
        return [one for one in moved if tile.answers_for((one[2][0] + one[2][2]) / 2, (one[2][1] + one[2][3]) / 2)]


def of_centres(answers: Mapping[str, Values], threshold: float) -> list[tuple[int, float, NDArray[np.float64]]]:
    """Return class, score and box of each cell that is surer than its neighbours."""
    centres, geometry = answers["centres"][0], answers["geometry"][0].astype(np.float64)
    padded = np.pad(centres, ((0, 0), (1, 1), (1, 1)))
    rows, columns = centres.shape[1:]
    around = np.max(
        [padded[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3) if (i, j) != (1, 1)], axis=0
    )
    found = []
    for kind, row, column in np.argwhere((centres >= threshold) & (centres >= around)).tolist():
        across, down, log_width, log_height = np.clip(geometry[:, row, column], -LARGEST_LOG_SIZE, LARGEST_LOG_SIZE)
        x, y = (column + across) * STRIDE, (row + down) * STRIDE
        w, h = np.exp(log_width) * STRIDE / 2, np.exp(log_height) * STRIDE / 2
        found.append((kind, float(centres[kind, row, column]), np.array([x - w, y - h, x + w, y + h])))
    return found


def of_boxes(answers: Mapping[str, Any], threshold: float) -> list[tuple[int, float, NDArray[np.float64]]]:
    """Return class, score and box of each box that is sure enough."""
    boxes = np.asarray(answers["boxes"], dtype=np.float64).reshape(-1, 4)
    scores, labels = np.asarray(answers["scores"]).ravel(), np.asarray(answers["labels"]).ravel()
    return [
        (int(label), float(score), box)
        for box, score, label in zip(boxes, scores, labels, strict=True)
        if score >= threshold
    ]


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the shared area of two boxes over the area of both together.

    >>> overlap((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    both = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared
    return float(shared / both)


def one_box_each(
    found: list[tuple[int, float, NDArray[np.float64]]],
) -> list[tuple[int, float, NDArray[np.float64]]]:
    """Return the surest box of each object, the surest object first."""
    kept: list[tuple[int, float, NDArray[np.float64]]] = []
    for one in sorted(found, key=lambda it: (-it[1], *it[2].tolist())):
        if all(one[0] != other[0] or overlap(one[2].tolist(), other[2].tolist()) < OVERLAP_OF_BOXES for other in kept):
            kept.append(one)
    return kept


def _inside(box: NDArray[np.float64], width: int, height: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = box.tolist()
    return (
        min(max(left, 0.0), width),
        min(max(top, 0.0), height),
        min(max(right, 0.0), width),
        min(max(bottom, 0.0), height),
    )
