"""The files of a risk model: the trees, and the past that features are looked up in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_server.sealed import to_json, write_sealed
from model_server.storage import Store
from risk_scoring.model_card import TEXTS, render

BOOSTER = "model.txt"
FEATURES = "features.json"


def write_model(store: Store, booster: str, features: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Write a model with its cards, the manifest last, and return its digest. Raises ServiceError as the store does."""
    files = {BOOSTER: booster.encode(), FEATURES: to_json(features)}
    return write_sealed(store, files, card, cards_for_people if "evaluation" in card else None)


def cards_for_people(card: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the card in each language that there is, by file name."""
    return {f"card.{language}.md": render(card, language).encode() for language in TEXTS}
