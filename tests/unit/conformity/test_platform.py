"""What is read from the platform's objects."""

from __future__ import annotations

import json

import pytest

from portolan.conformity import platform, results
from portolan.conformity.registry import CHECKS


def test_the_model_lies_where_the_inference_service_takes_it_from():
    model = {"spec": {"predictor": {"model": {"storageUri": "s3://models/risk-scoring/1"}}}}
    container = {
        "spec": {
            "predictor": {"containers": [{"env": [{"name": "STORAGE_URI", "value": "s3://models/risk-scoring/2"}]}]}
        }
    }
    assert platform.prefix_of(platform.storage_uri(model)) == "risk-scoring/1/"
    assert platform.prefix_of(platform.storage_uri(container)) == "risk-scoring/2/"


@pytest.mark.parametrize("uri", ["", "pvc://models/x", "s3://other/x"])
def test_a_model_from_elsewhere_is_not_measured(uri):
    with pytest.raises(LookupError, match="not in bucket models"):
        platform.prefix_of(uri)


def test_a_condition_that_was_never_set_is_unknown():
    assert platform.condition({}, "Ready")[0] == "Unknown"
    found = {"status": {"conditions": [{"type": "Ready", "status": "False", "message": "no pod"}]}}
    assert platform.condition(found, "Ready") == ("False", "no pod")


def test_a_manifest_may_carry_sizes_beside_digests():
    assert platform.digest_in("ab") == platform.digest_in({"sha256": "ab", "size_bytes": 3}) == "ab"
    assert platform.digest_in({}) == ""


RECORD = """{"scenario": "high-availability", "passed_at": "2999-01-01T00:00:00Z", "seconds": 900.0, "tests": 12,
"host": "2 cores", "figures": [{"name": "longest gap", "value": 4.0, "unit": "seconds"}], "digests": {}}"""


def test_a_scenario_that_passed_in_full_stands_in_for_a_benchmark():
    reading = results.read_figures(results.from_record(RECORD))
    assert reading.value == 0.0
    assert "1 figures within their limits" in reading.detail


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"scenario": "x"}'])
def test_what_is_no_record_of_a_scenario_is_refused(text):
    with pytest.raises(ValueError, match=r"record|Expecting"):
        results.from_record(text)


@pytest.mark.parametrize("text", ["{}", "[3]", '[{"name": "n"}]'])
def test_what_is_no_list_of_figures_is_refused(text):
    with pytest.raises(ValueError, match="no list of figures"):
        results.read_figures(text)


def test_figures_without_a_limit_say_nothing_of_one():
    figure = {"name": "n", "value": 1.0, "unit": "s", "host": "h", "time": "2999-01-01T00:00:00Z", "command": "c"}
    assert "none of 1 figures is held to a limit" in str(results.read_figures(json.dumps([figure])).reason_not_measured)


def test_old_figures_say_nothing_of_today(monkeypatch):
    old = RECORD.replace("2999", "2020")
    monkeypatch.setattr(results, "written", lambda name: results.from_record(old))
    reading = CHECKS["platform.benchmark-availability"].measure(None, "platform", "value")
    assert "too old" in str(reading.reason_not_measured)
