"""More of any load never gives fewer of anything; more availability never fewer replicas."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from portolan.requirements import Requirements
from portolan.sizing.engine import size
from portolan.sizing.explanation import quantities

LOADS = (
    "xray_images_per_day",
    "language_model_users",
    "data_scientists",
    "tracking_events_per_second",
    "batch_gigabytes",
    "unstructured_gigabytes_per_day",
)
# What depends on which GPU or server is cheapest is money's choice, not the load's.
CHOSEN = ("accelerators.", "facility.")
# What each of several holds or carries is less where more of them share it.
SHARED = ("streaming.kafka_broker_disk_bytes", "traffic.east_west_bits_per_second")


@settings(max_examples=40, deadline=None)
@given(key=st.sampled_from(LOADS), load=st.integers(0, 5000), more=st.integers(0, 5000))
def test_more_load_never_needs_less(key: str, load: int, more: int, site_of: Any, requirements: Requirements) -> None:
    before = dict(quantities(size(site_of(gpus=1, **{key: load}), requirements)))
    after = dict(quantities(size(site_of(gpus=1, **{key: load + more}), requirements)))
    for path, quantity in before.items():
        if path.startswith(CHOSEN) or path in (*SHARED, "pools.gpu.accelerators"):
            continue
        assert after[path].value >= quantity.value, path


@settings(max_examples=30, deadline=None)
@given(low=st.floats(0.5, 0.9999), high=st.floats(0.5, 0.9999))
def test_more_availability_never_needs_fewer(low: float, high: float, site_of: Any, requirements: Requirements) -> None:
    less, more = sorted((low, high))
    first = size(site_of(availability=less), requirements).service("risk-scoring").replicas
    second = size(site_of(availability=more), requirements).service("risk-scoring").replicas
    assert second.value >= first.value
