"""Formulas of images, language models, streams and batches against numbers worked out elsewhere."""

from __future__ import annotations

import pytest

from portolan.sizing import demand, traffic


def test_a_tokens_cache_is_that_of_the_published_configurations() -> None:
    # Llama 3 model cards: 8B has 32 layers, 70B has 80; both 8 key-value heads of 128, two bytes a number.
    assert demand.cache_bytes_per_token(8) == 2 * 32 * 8 * 128 * 2
    assert demand.cache_bytes_per_token(70) == pytest.approx(2 * 80 * 8 * 128 * 2, rel=0.01)


def test_gpt3_training_takes_the_published_operations() -> None:
    # Brown et al. 2020, table D.1: GPT-3 175B, 300 billion tokens, 3.14e23 operations.
    hours = demand.language_training_hours(175, 300e9, 6, 312)
    assert hours * 3600 * 312e12 * demand.TRAINING_UTILISATION == pytest.approx(3.14e23, rel=0.01)


def test_one_conversation_of_a_small_model_fits_one_gpu() -> None:
    assert demand.language_gpus(1, 8, 3400, 131_072, 24e9) == 1


@pytest.mark.parametrize(("megabytes", "brokers"), [(0, 0), (1, 3), (100, 6), (1000, 51)])
def test_brokers_carry_copies_and_readers_and_outlive_one_loss(megabytes: float, brokers: float) -> None:
    assert demand.kafka_brokers(megabytes) == brokers


def test_a_restore_ends_in_the_recovery_time() -> None:
    assert demand.restore_bits(4.5e12, 10) == 1e9


def test_no_images_and_no_users_need_no_gpu() -> None:
    assert demand.xray_gpus(0, 2, 8, 121) == 0
    assert demand.language_gpus(0, 8, 3400, 131_072, 24e9) == 0


def test_a_ring_sends_the_published_share() -> None:
    # Patarasuk and Yuan 2009: 2 (n - 1) / n of the data; 4 GPUs and 1 GB in a second are 1.5 GB/s, 12 Gbit/s.
    assert traffic.all_reduce_bits(4, 1e9, 1) == 12e9
    assert traffic.all_reduce_bits(1, 1e9, 1) == 0


def test_a_lost_node_is_rebuilt_in_its_time() -> None:
    assert traffic.rebuild_bits(86.4e12, 8, 24) == pytest.approx(1e9)


@pytest.mark.parametrize(("parts", "spares"), [(0, 0), (1, 1), (20, 1), (21, 2), (100, 5)])
def test_a_twentieth_lies_on_the_shelf(parts: float, spares: float) -> None:
    assert traffic.spare_parts(parts, traffic.SPARE_SHARE) == spares
