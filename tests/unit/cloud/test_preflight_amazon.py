"""Preflight on AWS: moto answers for EC2 and STS; it knows no quotas of EC2, so botocore's stubber answers those."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from portolan.cloud import amazon
from portolan.errors import PortolanError
from portolan.sizing.parts import CloudPlan, CloudPool
from portolan.sizing.quantity import Quantity

REPOSITORY = Path(__file__).resolve().parents[3]
STANDARD = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
QUOTAS = {
    "ec2": {STANDARD: 256, "Running On-Demand G and VT instances": 96, "EC2-VPC Elastic IPs": 5},
    "ebs": {"Storage for General Purpose SSD (gp3) volumes, in TiB": 50},
    "vpc": {"VPCs per Region": 5},
    "eks": {"Clusters": 100},
}


def quantity(value):
    return Quantity(value=value, unit="", binding="test", reasons=())


def pool(name, instance, cores, count, purchase="on-demand"):
    return CloudPool(
        pool=name,
        purpose=name,
        instance=instance,
        count=quantity(count),
        least=count,
        most=count,
        purchase=purchase,
        disk_bytes=quantity(2e12),
        cpu_cores=cores,
        memory_bytes=32e9,
    )


def plan(*pools, zones=()):
    return CloudPlan(
        provider="aws",
        region="eu-west-3",
        zones=zones,
        pools=pools or (pool("cpu", "c5.4xlarge", 16, 3), pool("gpu", "g5.12xlarge", 48, 1)),
        object_store_bytes=quantity(0),
        block_bytes=quantity(2e12),
        shared_bytes=quantity(0),
        egress_bytes_per_month=quantity(0),
    )


class Session:
    """A session whose quotas are stubbed; every other client is moto's."""

    def __init__(self, session, quotas):
        self._session, self._quotas = session, quotas

    def client(self, service):
        made = self._session.client(service)
        if service == "service-quotas":
            stub = Stubber(made)
            for one in ("ec2", "ebs", "vpc", "eks"):
                listed = [{"QuotaName": name, "Value": float(value)} for name, value in self._quotas[one].items()]
                stub.add_response("list_service_quotas", {"Quotas": listed}, {"ServiceCode": one})
            stub.activate()
        return made


@pytest.fixture
def session():
    import boto3

    with mock_aws():
        yield boto3.Session(region_name="eu-west-3", aws_access_key_id="mock", aws_secret_access_key="mock")


def asked(plan, session, quotas=QUOTAS):
    return {one.name: one for one in amazon.preflight(plan, Session(session, quotas))}


def test_a_plan_within_the_account_passes(session):
    found = asked(plan(), session)
    assert all(one.passed for one in found.values()), found
    assert found[STANDARD].needed == "48 vCPU"
    assert found["EC2-VPC Elastic IPs"].needed == "3 addresses"


def test_a_quota_that_is_too_small_is_named_with_what_to_ask_for(session):
    found = asked(plan(), session, {**QUOTAS, "ec2": {**QUOTAS["ec2"], STANDARD: 5}})[STANDARD]
    assert found.passed is False
    assert found.found == "5 vCPU"
    assert found.remedy.startswith("ask AWS for 48 vCPU")


def test_a_quota_that_the_account_does_not_list_is_never_taken_for_good(session):
    found = asked(plan(pool("training", "p4d.24xlarge", 96, 2, "interruptible")), session)
    missing = next(one for name, one in found.items() if "Spot" in name)
    assert missing.passed is None
    assert missing.needed == "192 vCPU"


def test_an_instance_type_that_the_region_lacks_is_named(session):
    found = asked(plan(pool("training", "p4d.24xlarge", 96, 2)), session)["p4d.24xlarge for pool training"]
    assert found.passed is False
    assert "another region" in found.remedy


def test_a_zone_of_another_region_is_named(session):
    found = asked(plan(zones=("us-east-1a",)), session)["zone us-east-1a"]
    assert found.passed is False
    assert "eu-west-3a" in found.found


def test_an_expired_token_says_to_sign_in_again(session):
    class Expired(Session):
        def client(self, service):
            made = self._session.client(service)
            stub = Stubber(made)
            stub.add_client_error("get_caller_identity", "ExpiredToken", "The security token has expired")
            stub.activate()
            return made

    with pytest.raises(PortolanError, match="expired") as error:
        amazon.preflight(plan(), Expired(session, {}))
    assert "sign in again" in error.value.remedy


def test_without_credentials_there_is_one_clear_error(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(PortolanError, match="no usable credentials") as error:
        amazon.preflight(plan())
    assert error.value.remedy


def test_the_command_ends_with_2_where_there_are_no_credentials(tmp_path):
    keep = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    none = str(tmp_path / "none")
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none}
    done = subprocess.run(
        [sys.executable, "-c", "from portolan.cli import run; run()", "preflight", "aws", "sites/aws.yaml"],
        cwd=REPOSITORY,
        env={**keep, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "no usable credentials" in done.stderr
    assert "remedy:" in done.stderr
