"""Preflight on Azure: Azure's own clients against a server on loopback that answers in the documented shapes.

No subscription was asked: what Azure itself would say is not shown here.
"""

from __future__ import annotations

import copy
import time
from datetime import UTC, datetime

import pytest

from portolan.cloud import azure
from portolan.errors import PortolanError
from portolan.platform import pki
from tests.support.cloud_plans import plan, pool
from tests.support.cloud_server import Answers, serving

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
REGION = "francecentral"
WANTED = plan(
    "azure",
    REGION,
    pool("cpu", "Standard_D8s_v5", 8, 3),
    pool("gpu", "Standard_NC96ads_A100_v4", 96, 1, gpus=4, gpu="a100-80"),
    pool("training", "Standard_NC96ads_A100_v4", 96, 1, "interruptible", 4, "a100-80"),
)


def size(name, family, zones=("1", "2", "3"), restrictions=()):
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "family": family,
        "locations": [REGION],
        "locationInfo": [{"location": REGION, "zones": list(zones)}],
        "restrictions": list(restrictions),
    }


def usage(name, limit, used=0):
    return {"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": name}}


SAID = {
    "Microsoft.Compute/skus": {
        "value": [
            size("Standard_D8s_v5", "standardDSv5Family"),
            size("Standard_NC96ads_A100_v4", "StandardNCADSA100v4Family"),
        ]
    },
    "Microsoft.Compute/locations usages": {
        "value": [
            usage("cores", 350, 10),
            usage("standardDSv5Family", 100, 8),
            usage("StandardNCADSA100v4Family", 96),
            usage("lowPriorityCores", 100),
            usage("PremiumDiskCount", 50000),
        ]
    },
    "Microsoft.Network Microsoft.Quota/usages": {
        "value": [{"name": "PublicIPAddresses", "properties": {"usages": {"value": 1}}}]
    },
    "Microsoft.Network Microsoft.Quota/quotas": {
        "value": [
            {
                "name": "PublicIPAddresses",
                "properties": {"limit": {"limitObjectType": "LimitValue", "value": 1000}},
            }
        ]
    },
}


class Token:
    """A credential that is accepted; nobody signed in."""

    def get_token(self, *_scopes, **_options):
        from azure.core.credentials import AccessToken

        return AccessToken("loopback", int(time.time()) + 3600)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder, now = tmp_path_factory.mktemp("azure"), datetime.now(UTC)
    authority = pki.make_authority(now)
    made = pki.issue(authority, ("localhost",), now)
    (folder / "server.pem").write_text(made.certificate + made.private_key)
    (folder / "authority.pem").write_text(authority.certificate)
    return folder


@pytest.fixture
def ask(certificate):
    def asking(said=SAID, wanted=WANTED, credential=None):
        answers = Answers(said)
        with serving(answers, certificate / "server.pem") as address:
            options = {
                "base_url": address,
                "connection_verify": str(certificate / "authority.pem"),
                "credential_scopes": [f"{address}/.default"],
                "retry_total": 0,
            }
            found = azure.preflight(wanted, azure.Connection(credential or Token(), SUBSCRIPTION, options))
        return {one.name: one for one in found}

    return asking


def changed(words, body):
    return {**copy.deepcopy(SAID), words: body}


def test_a_plan_within_the_subscription_passes(ask):
    found = ask()
    assert all(one.passed for one in found.values()), found
    assert found["standardDSv5Family"].needed == "24 vCPU"
    assert found["standardDSv5Family"].found == "92 of 100 vCPU"
    assert found["lowPriorityCores"].needed == "96 vCPU"
    assert found["PublicIPAddresses"].found == "999 of 1000 addresses"


def test_a_quota_that_is_too_small_is_named_with_what_to_ask_for(ask):
    usages = [usage("cores", 350), usage("standardDSv5Family", 30, 10), usage("PremiumDiskCount", 5)]
    found = ask(changed("Microsoft.Compute/locations usages", {"value": usages}))["standardDSv5Family"]
    assert found.passed is False
    assert found.remedy.startswith("ask Azure for 34 vCPU of 'standardDSv5Family' in francecentral")


def test_a_quota_that_the_subscription_does_not_list_is_never_taken_for_good(ask):
    found = ask(changed("Microsoft.Compute/locations usages", {"value": []}))
    assert found["StandardNCADSA100v4Family"].passed is None


def test_a_size_that_the_region_lacks_is_named(ask):
    sizes = {"value": [size("Standard_D8s_v5", "standardDSv5Family")]}
    found = ask(changed("Microsoft.Compute/skus", sizes))["Standard_NC96ads_A100_v4 for pool gpu"]
    assert found.passed is False
    assert "another region" in found.remedy


def test_a_size_that_the_subscription_may_not_use_there_is_not_offered(ask):
    shut = {"type": "Location", "values": [REGION], "reasonCode": "NotAvailableForSubscription"}
    sizes = [size("Standard_D8s_v5", "a", restrictions=[shut]), size("Standard_NC96ads_A100_v4", "b", ("1",))]
    found = ask(changed("Microsoft.Compute/skus", {"value": sizes}))
    assert found["Standard_D8s_v5 for pool cpu"].passed is False
    assert found["Standard_NC96ads_A100_v4 for pool gpu"].found == "1"


def refused(status, code, message="no"):
    return status, {"error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    ("answer", "what", "remedy"),
    [
        (refused(401, "ExpiredAuthenticationToken"), "the token has expired", "az login"),
        (refused(403, "AuthorizationFailed"), "AuthorizationFailed", "role Reader"),
        (refused(404, "SubscriptionNotFound"), "SubscriptionNotFound", "AZURE_SUBSCRIPTION_ID"),
        (refused(400, "NoRegisteredProviderFound"), "NoRegisteredProviderFound", "cloud.region (francecentral)"),
    ],
    ids=["expired-token", "no-right-to-read", "unknown-subscription", "unknown-region"],
)
def test_a_refusal_is_one_error_with_its_remedy(ask, answer, what, remedy):
    with pytest.raises(PortolanError) as error:
        ask(changed("Microsoft.Compute/skus", answer))
    assert what in error.value.what
    assert remedy in error.value.remedy


def test_without_credentials_there_is_one_clear_error(ask):
    from azure.identity import ChainedTokenCredential, EnvironmentCredential

    with pytest.raises(PortolanError, match="no usable credentials") as error:
        ask(credential=ChainedTokenCredential(EnvironmentCredential()))
    assert "az login" in error.value.remedy


def test_without_a_subscription_the_error_says_how_to_name_it(monkeypatch):
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    with pytest.raises(PortolanError, match="AZURE_SUBSCRIPTION_ID is not set") as error:
        azure.preflight(WANTED)
    assert "az account show" in error.value.remedy


def test_hosts_that_run_are_counted_by_the_sites_tag(certificate):
    def group(name, site, capacity):
        return {"name": name, "location": REGION, "tags": {"portolan:site": site},
                "sku": {"name": "Standard_D8s_v5", "capacity": capacity}}  # fmt: skip

    answers = Answers({"virtualMachineScaleSets": {"value": [group("a", "azure", 3), group("b", "other", 9)]}})
    with serving(answers, certificate / "server.pem") as address:
        options = {"base_url": address, "connection_verify": str(certificate / "authority.pem"),
                   "credential_scopes": [f"{address}/.default"]}  # fmt: skip
        found = azure.running(WANTED, "azure", azure.Connection(Token(), SUBSCRIPTION, options))
    assert found == {"Standard_D8s_v5": 3}
