"""Descriptions as traders write them, generated from the nomenclature's texts: shortened, abbreviated, misspelt.

They are generated, and the card says so: they tell how much spelling and noise cost, not how traders describe goods.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

ABBREVIATIONS = {
    "cotton": "cttn", "polyester": "poly", "stainless": "s/s", "machine": "mach", "machines": "mach",
    "plastic": "plas", "plastics": "plas", "package": "pkg", "assembly": "assy", "equipment": "eqpt",
    "electric": "elec", "electrical": "elec", "kilogram": "kg", "thickness": "thk", "diameter": "dia",
    "without": "w/o", "with": "w/", "frozen": "frzn", "vehicles": "veh", "women": "ladies", "manufactured": "mfd",
}  # fmt: skip
FILLERS = ("NEW", "OEM", "AS PER INVOICE", "COMMERCIAL SAMPLE", "FOR RESALE", "QTY {n} PCS", "MODEL {m}", "NO BRAND")
STOP = frozenset(
    [
        "of",
        "or",
        "and",
        "not",
        "the",
        "in",
        "a",
        "an",
        "for",
        "to",
        "by",
        "other",
        "n.e.c.",
        "heading",
        "no.",
        "including",
        "whether",
        "than",
        "e.g.",
    ]
)
WORD = re.compile(r"[A-Za-z][A-Za-z'-]*|[0-9]+")


def describe(text: str, seed: int) -> str:
    """Return a trader-like description of goods with the nomenclature's `text`; equal arguments give equal texts."""
    generator = random.Random(f"{seed}:{text}")
    kept = [word for word in WORD.findall(text) if word.lower() not in STOP]
    if len(kept) > 3:
        kept = [word for word in kept if generator.random() > 0.25] or kept[:3]
    kept = [ABBREVIATIONS.get(word.lower(), word) if generator.random() < 0.5 else word for word in kept]
    kept = [_misspelt(word, generator) if len(word) > 4 and generator.random() < 0.08 else word for word in kept]
    if generator.random() < 0.3 and len(kept) > 2:
        first = generator.randrange(1, len(kept))
        kept = kept[first:] + kept[:first]
    if generator.random() < 0.5:
        filler = generator.choice(FILLERS).format(n=generator.randint(1, 500), m=f"X{generator.randint(10, 999)}")
        kept.insert(generator.choice((0, len(kept))), filler)
    said = " ".join(kept)
    return said.upper() if generator.random() < 0.6 else said.lower()


def _misspelt(word: str, generator: random.Random) -> str:
    at = generator.randrange(1, len(word) - 1)
    if generator.random() < 0.5:
        return word[:at] + word[at + 1 :]
    return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]


def generated(codes: Sequence[str], texts: Sequence[str], count: int, seed: int) -> list[tuple[str, str]]:
    """Return `count` (description, code), of subheadings drawn at random."""
    places = random.Random(seed).sample(range(len(codes)), min(count, len(codes)))
    return [(describe(texts[place], seed), codes[place]) for place in places]
