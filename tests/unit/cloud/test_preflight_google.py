"""Preflight on Google Cloud: Google's own client against a server on loopback that answers in the documented shapes.

No project was asked: what Google itself would say is not shown here.
"""

from __future__ import annotations

import pytest

from portolan.cloud import google
from portolan.errors import PortolanError
from tests.support.cloud_plans import plan, pool
from tests.support.cloud_server import Answers, serving

REGION = "europe-west9"
ZONES = [f"{REGION}-{one}" for one in "abc"]
WANTED = plan(
    "gcp",
    REGION,
    pool("cpu", "e2-standard-8", 8, 3),
    pool("gpu", "g2-standard-48", 48, 1, gpus=4, gpu="l4"),
    pool("training", "g2-standard-48", 48, 1, "interruptible", 4, "l4"),
)


def quota(metric, limit, used=0.0):
    return {"metric": metric, "limit": limit, "usage": used}


QUOTAS = [
    quota("CPUS", 72, 8),
    quota("G2_CPUS", 48),
    quota("PREEMPTIBLE_CPUS", 48),
    quota("NVIDIA_L4_GPUS", 4),
    quota("PREEMPTIBLE_NVIDIA_L4_GPUS", 4),
    quota("SSD_TOTAL_GB", 10000),
    quota("IN_USE_ADDRESSES", 8),
]


def region(quotas=tuple(QUOTAS)):
    return {"name": REGION, "zones": [f"projects/one/zones/{zone}" for zone in ZONES], "quotas": list(quotas)}


def types(*names):
    return {"items": [{"name": name, "guestCpus": 8} for name in names]}


SAID = {
    f"/regions/{REGION}": region(),
    f"/zones/{ZONES[0]}/machineTypes": types("e2-standard-8", "g2-standard-48"),
    "/machineTypes": types("e2-standard-8"),
}


def ask(said=SAID, wanted=WANTED, credentials=None):
    from google.oauth2.credentials import Credentials

    answers = Answers(said)
    with serving(answers) as address:
        # A token that nobody gave out, and that cannot be renewed.
        connection = google.Connection(credentials or Credentials("loopback"), "one", address)
        return {one.name: one for one in google.preflight(wanted, connection)}


def test_a_plan_within_the_project_passes():
    found = ask()
    assert all(one.passed for one in found.values()), found
    assert (found["CPUS"].needed, found["CPUS"].found) == ("24 vCPU", "64 of 72 vCPU")
    assert found["PREEMPTIBLE_NVIDIA_L4_GPUS"].needed == "4 GPU"
    assert found["SSD_TOTAL_GB"].needed == "6144 GB"


def test_a_machine_type_is_looked_for_in_each_zone_of_the_site():
    assert ask()["g2-standard-48 for pool gpu"].found == ZONES[0]
    assert ask()["e2-standard-8 for pool cpu"].found == ", ".join(ZONES)


def test_a_quota_that_is_too_small_is_named_with_what_to_ask_for():
    found = ask({**SAID, f"/regions/{REGION}": region([*QUOTAS[1:], quota("CPUS", 24, 8)])})["CPUS"]
    assert found.passed is False
    assert found.remedy.startswith("ask Google for 32 vCPU of 'CPUS' in europe-west9")


def test_a_quota_that_the_project_does_not_list_is_never_taken_for_good():
    found = ask({**SAID, f"/regions/{REGION}": region(QUOTAS[:3])})
    assert found["NVIDIA_L4_GPUS"].passed is None


def test_a_machine_type_that_the_region_lacks_is_named():
    found = ask({**SAID, f"/zones/{ZONES[0]}/machineTypes": types("e2-standard-8")})
    assert found["g2-standard-48 for pool gpu"].passed is False
    assert "another region" in found["g2-standard-48 for pool gpu"].remedy


def test_a_zone_of_another_region_is_named():
    found = ask(wanted=WANTED.model_copy(update={"zones": (ZONES[0], "us-east1-b")}))["zone us-east1-b"]
    assert found.passed is False
    assert ZONES[1] in found.found


def refused(status, message):
    return status, {"error": {"code": status, "message": message, "errors": [{"reason": "test"}]}}


@pytest.mark.parametrize(
    ("answer", "what", "remedy"),
    [
        (refused(401, "Request had invalid authentication credentials"), "expired", "gcloud auth application-default"),
        (refused(403, "Compute Engine API has not been used"), "refused", "compute.googleapis.com"),
        (refused(404, "The resource 'regions/europe-west9' was not found"), "no such region", "cloud.region"),
    ],
    ids=["expired-token", "no-right-to-read", "unknown-region"],
)
def test_a_refusal_is_one_error_with_its_remedy(answer, what, remedy):
    with pytest.raises(PortolanError) as error:
        ask({f"/regions/{REGION}": answer})
    assert what in error.value.what
    assert remedy in error.value.remedy


def test_a_token_that_cannot_be_renewed_says_to_sign_in_again():
    from google.auth.credentials import Credentials
    from google.auth.exceptions import RefreshError

    class Old(Credentials):
        def refresh(self, _request):
            raise RefreshError("invalid_grant: Token has been expired or revoked.")

    with pytest.raises(PortolanError, match="expired") as error:
        ask(credentials=Old())
    assert "sign in again" in error.value.remedy


def test_without_credentials_there_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(PortolanError, match="no usable credentials") as error:
        google.preflight(WANTED)
    assert "gcloud auth application-default login" in error.value.remedy


def test_hosts_that_run_are_counted_by_the_sites_label():
    from google.auth.credentials import AnonymousCredentials

    def host(status):
        return {"name": "one", "machineType": f"zones/{ZONES[0]}/machineTypes/e2-standard-8", "status": status}

    zone = {f"zones/{ZONES[0]}": {"instances": [host("RUNNING"), host("RUNNING"), host("TERMINATED")]}}
    answers = Answers({"/aggregated/instances": {"items": zone}})
    with serving(answers) as address:
        found = google.running(WANTED, "gcp", google.Connection(AnonymousCredentials(), "one", address))
    assert found == {"e2-standard-8": 2}
    assert "labels.portolan-site=gcp" in answers.asked[0]
