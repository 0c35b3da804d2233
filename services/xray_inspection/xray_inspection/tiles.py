"""Large images in tiles that overlap, so that an object on an edge is whole in one of them.

A tile answers for its inside: half the overlap is left to its neighbour, except at the image's own edges. Where the
overlap is at least twice what a cell sees, the answers are those of the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """Where a tile lies, and the part of it that it answers for; in pixels of the image."""

    left: int
    top: int
    right: int
    bottom: int
    inside: tuple[int, int, int, int]

    def answers_for(self, x: float, y: float) -> bool:
        """Tell whether a point of the image is this tile's."""
        left, top, right, bottom = self.inside
        return left <= x < right and top <= y < bottom


def spans(length: int, size: int, overlap: int, step: int) -> list[tuple[int, int, int, int]]:
    """Return begin and end of each tile along one side, and begin and end of its inside.

    Begins are multiples of `step`, the detector's, so that cells lie alike in every tile.

    >>> spans(1000, 512, 64, 8)
    [(0, 512, 0, 480), (448, 960, 480, 928), (896, 1000, 928, 1000)]
    """
    found: list[tuple[int, int, int, int]] = []
    begin = 0
    while True:
        end = min(begin + size, length)
        inside_begin = 0 if begin == 0 else begin + overlap // 2
        found.append((begin, end, inside_begin, length if end == length else end - overlap // 2))
        if end == length:
            return found
        begin += (size - overlap) // step * step


def tiles(width: int, height: int, size: int, overlap: int, step: int) -> Iterator[Tile]:
    """Yield the tiles of an image, row by row. Every point of it is inside exactly one."""
    for top, bottom, inside_top, inside_bottom in spans(height, size, overlap, step):
        for left, right, inside_left, inside_right in spans(width, size, overlap, step):
            yield Tile(left, top, right, bottom, (inside_left, inside_top, inside_right, inside_bottom))
