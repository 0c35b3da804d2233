"""What is read from the platform's objects."""

from __future__ import annotations

import pytest

from portolan.conformity import platform


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
