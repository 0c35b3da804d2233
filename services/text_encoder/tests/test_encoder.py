"""Texts alike in meaning get vectors alike, whatever they are encoded with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_server.errors import ServiceError
from text_encoder import WIDTH, Encoder, open_encoder


def test_meaning_counts_more_than_words(encoder: Encoder) -> None:
    car, automobile, card = encoder.encode(["a car", "an automobile", "a card"])
    assert car @ automobile > car @ card


def test_vectors_have_length_one_and_their_width(encoder: Encoder) -> None:
    vectors = encoder.encode(["coffee", "sulphuric acid, 98 %", ""])
    assert vectors.shape == (3, WIDTH)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_gets_the_same_vector_alone_and_among_others(encoder: Encoder) -> None:
    alone = encoder.encode(["green coffee beans"])[0]
    among = encoder.encode(["tea", "green coffee beans", "a longer text about something else"])[1]
    assert np.allclose(alone, among, atol=1e-5)


def test_texts_past_the_longest_are_cut(encoder: Encoder) -> None:
    long = "steel " * 500
    assert np.allclose(encoder.encode([long]), encoder.encode([long + "banana"]), atol=1e-6)


def test_no_text_gives_no_vector(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, WIDTH)


def test_a_folder_without_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXT_ENCODER_DIR", str(tmp_path))
    with pytest.raises(ServiceError, match=r"no model\.safetensors"):
        open_encoder()
