"""X-ray images that a program draws: boxes and bars of cargo, and among them what is looked for.

They are drawn, and the card says so: they show that the whole path works, from pixels to boxes, and nothing about how
well anything is found in real cargo. An image is transmission: 1 where nothing is in the way of the beam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
CLASSES = ("dense object", "hollow object")
SMALLEST, LARGEST = 12, 30  # of an object, in pixels


@dataclass(frozen=True)
class Box:
    """Where an object is, in pixels, and what it is."""

    left: float
    top: float
    right: float
    bottom: float
    kind: int


@dataclass(frozen=True)
class Drawn:
    """An image and what is in it."""

    pixels: Image
    boxes: tuple[Box, ...]


def draw(width: int, height: int, objects: int, seed: int) -> Drawn:
    """Return an image with so many objects; equal arguments give equal images."""
    generator = np.random.default_rng(seed)
    thickness = np.zeros((height, width), dtype=np.float32)
    area = width * height
    for _ in range(max(2, area // 1200)):
        _cargo(thickness, generator)
    boxes: list[Box] = []
    for _ in range(objects):
        placed = _place(boxes, width, height, generator)
        if placed is not None:
            _object(thickness, placed, generator)
            boxes.append(placed)
    clean = np.exp(-thickness)
    noisy = clean + generator.normal(0, 0.015, clean.shape) * np.sqrt(clean)
    return Drawn(np.clip(noisy, 0.004, 1).astype(np.float32), tuple(boxes))


def _cargo(thickness: Image, generator: np.random.Generator) -> None:
    """Add a carton, a slab or a bar: large or thin, and mostly light."""
    height, width = thickness.shape
    kind = generator.random()
    if kind < 0.6:
        w, h = (int(n) for n in generator.integers(16, 60, 2))
        added = generator.uniform(0.05, 0.5)
    elif kind < 0.8:
        w, h = int(generator.integers(40, 90)), int(generator.integers(40, 90))
        added = generator.uniform(0.5, 1.2)
    else:
        w, h = int(generator.integers(2, 6)), int(generator.integers(20, 80))
        added = generator.uniform(0.3, 1.5)
        if generator.random() < 0.5:
            w, h = h, w
    left, top = int(generator.integers(-w // 2, width)), int(generator.integers(-h // 2, height))
    thickness[max(0, top) : max(0, top + h), max(0, left) : max(0, left + w)] += added


def _place(boxes: list[Box], width: int, height: int, generator: np.random.Generator) -> Box | None:
    for _ in range(20):
        w, h = (float(n) for n in generator.integers(SMALLEST, LARGEST, 2))
        left, top = generator.uniform(1, width - w - 1), generator.uniform(1, height - h - 1)
        apart = all(
            left > b.right + 4 or left + w < b.left - 4 or top > b.bottom + 4 or top + h < b.top - 4 for b in boxes
        )
        if apart:
            return Box(left, top, left + w, top + h, int(generator.integers(0, len(CLASSES))))
    return None


def _object(thickness: Image, box: Box, generator: np.random.Generator) -> None:
    rows, columns = np.mgrid[0 : thickness.shape[0], 0 : thickness.shape[1]] + 0.5
    across = (columns - (box.left + box.right) / 2) / ((box.right - box.left) / 2)
    down = (rows - (box.top + box.bottom) / 2) / ((box.bottom - box.top) / 2)
    radius = np.sqrt(across**2 + down**2)
    if box.kind == 0:
        inside = radius <= 1 if generator.random() < 0.5 else np.maximum(abs(across), abs(down)) <= 1
    else:
        inside = (radius <= 1) & (radius >= 0.55)
    thickness[inside] += generator.uniform(1.4, 2.4)
