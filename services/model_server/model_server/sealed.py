"""A model on disk or in a bucket: its files, the manifest that seals them, and the check of both.

The manifest is written last and removed first, so whoever finds it finds a whole model. `model_digest` is the sha256
over the sorted (name, sha256) of the files that decide an answer, which the manifest names. The card, which also
tells when and where the training ran, is sealed by the manifest but is no part of that digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_server.errors import ServiceError
from model_server.storage import Store

CARD = "card.json"
MANIFEST = "MANIFEST.json"


@dataclass(frozen=True)
class SealedModel:
    """The content of a model, as its manifest seals it; `files` are those that decide an answer."""

    files: Mapping[str, bytes]
    card: dict[str, Any]
    digest: str


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


def model_digest(sums: Mapping[str, str]) -> str:
    """Return the digest of a model from the sha256 of the files that decide an answer, by name."""
    return digest("".join(f"{name} {sums[name]}\n" for name in sorted(sums)).encode())


def write_sealed(
    store: Store,
    files: Mapping[str, bytes],
    card: Mapping[str, Any],
    pages: Callable[[Mapping[str, Any]], Mapping[str, bytes]] | None = None,
) -> str:
    """Write a model, the manifest last, and return its digest.

    `files` are those that decide an answer; `pages` makes the card for people (`card.en.md`) from the card with the
    digest in it. Raises ServiceError as the store does.
    """
    sealed = model_digest({name: digest(data) for name, data in files.items()})
    whole = {**card, "model_digest": sealed}
    content = {**files, CARD: to_json(whole, indent=2), **(pages(whole) if pages else {})}
    manifest = {
        "schema_version": 1,
        "files": {name: {"sha256": digest(data), "size_bytes": len(data)} for name, data in content.items()},
        "decides": sorted(files),
        "model_digest": sealed,
    }
    store.remove(MANIFEST)
    for name, data in content.items():
        store.write(name, data)
    store.write(MANIFEST, to_json(manifest, indent=2))
    return sealed


def read_sealed(store: Store) -> SealedModel:
    """Read a model and check every byte of it against its manifest.

    Raises ServiceError where the manifest is missing (the model is not whole) or does not match
    (it was changed after it was written).
    """
    again = "copy the model again from where it was trained"
    try:
        manifest = json.loads(store.read(MANIFEST))
        sums = {name: str(entry["sha256"]) for name, entry in manifest["files"].items()}
        decides: Sequence[str] = [str(name) for name in manifest["decides"]]
        sealed = str(manifest["model_digest"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(MANIFEST, f"no manifest of a model ({error})", "train the model again") from error
    content: dict[str, bytes] = {}
    for name in (*decides, CARD):
        content[name] = store.read(name)
        if sums.get(name) != digest(content[name]):
            raise ServiceError(name, f"it is not the file that {MANIFEST} seals", again)
    if not decides or model_digest({name: sums[name] for name in decides}) != sealed:
        raise ServiceError(MANIFEST, "model_digest does not follow from its files", again)
    return SealedModel({name: content[name] for name in decides}, json.loads(content[CARD]), sealed)
