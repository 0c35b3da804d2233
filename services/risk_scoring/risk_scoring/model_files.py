"""A model on disk or in a bucket: its files, the manifest that seals them, and the check of both.

The manifest is written last and removed first, so whoever finds it finds a whole model. `model_digest`
is the sha256 over the sorted (name, sha256) of the files that decide a score; the card, which also tells
when and where the training ran, is sealed by the manifest but is no part of that digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from risk_scoring.errors import RiskScoringError
from risk_scoring.model_card import TEXTS, render
from risk_scoring.storage import Store

BOOSTER = "model.txt"
FEATURES = "features.json"
CARD = "card.json"
MANIFEST = "MANIFEST.json"
DIGESTED = (FEATURES, BOOSTER)


@dataclass(frozen=True)
class ModelFiles:
    """The content of a model."""

    booster: str
    features: dict[str, Any]
    card: dict[str, Any]
    model_digest: str


def to_json(document: Mapping[str, Any], indent: int | None = None) -> bytes:
    """Return canonical JSON: keys sorted, UTF-8, no NaN."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(
        document, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators
    )
    return (text + "\n").encode()


def digest(content: bytes) -> str:
    """Return the sha256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def model_digest(files: Mapping[str, str]) -> str:
    """Return the digest of a model from the sha256 of its files by name; see the module's text."""
    lines = (f"{name} {files[name]}\n" for name in sorted(DIGESTED))
    return digest("".join(lines).encode())


def write_model(store: Store, booster: str, features: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Write a model, the manifest last, and return its digest. Raises RiskScoringError as the store does."""
    content = {BOOSTER: booster.encode(), FEATURES: to_json(features)}
    sealed = model_digest({name: digest(data) for name, data in content.items()})
    content[CARD] = to_json({**card, "model_digest": sealed}, indent=2)
    if "evaluation" in card:
        content |= {f"card.{language}.md": render(card, language).encode() for language in TEXTS}
    manifest = {
        "schema_version": 1,
        "files": {name: {"sha256": digest(data), "size_bytes": len(data)} for name, data in content.items()},
        "model_digest": sealed,
    }
    store.remove(MANIFEST)
    for name, data in content.items():
        store.write(name, data)
    store.write(MANIFEST, to_json(manifest, indent=2))
    return sealed


def read_model(store: Store) -> ModelFiles:
    """Read a model and check every byte of it against its manifest.

    Raises RiskScoringError where the manifest is missing (the model is not whole) or does not match
    (it was changed after it was written).
    """
    try:
        manifest = json.loads(store.read(MANIFEST))
        sums = {name: str(entry["sha256"]) for name, entry in manifest["files"].items()}
        sealed = str(manifest["model_digest"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RiskScoringError(MANIFEST, f"no manifest of a model ({error})", "train the model again") from error
    content: dict[str, bytes] = {}
    for name in (BOOSTER, FEATURES, CARD):
        content[name] = store.read(name)
        if sums.get(name) != digest(content[name]):
            raise RiskScoringError(
                name, f"it is not the file that {MANIFEST} seals", "copy the model again from where it was trained"
            )
    if model_digest(sums) != sealed:
        raise RiskScoringError(
            MANIFEST, "model_digest does not follow from its files", "copy the model again from where it was trained"
        )
    return ModelFiles(content[BOOSTER].decode(), json.loads(content[FEATURES]), json.loads(content[CARD]), sealed)
