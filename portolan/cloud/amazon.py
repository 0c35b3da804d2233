"""Questions to AWS: read-only, by boto3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from portolan.cloud.checks import Finding, Quota, amazon_needs, judge_offerings, judge_quotas, judge_zones
from portolan.errors import PortolanError
from portolan.sizing.parts import CloudPlan

FIRST_ZONES = 3
SERVICES = ("ec2", "ebs", "vpc", "eks")
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")


def preflight(plan: CloudPlan, session: Any = None) -> list[Finding]:
    """Ask AWS whether the plan is possible with this account in this region; change nothing.

    Raises PortolanError where there are no credentials, where they have expired, or where AWS refuses to answer.
    """
    import boto3

    with refusals(plan):
        return _ask(plan, session or boto3.Session(region_name=plan.region))


@contextmanager
def refusals(plan: CloudPlan) -> Iterator[None]:
    """Turn what AWS's own client raises into one error with its remedy."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, TokenRetrievalError

    try:
        yield
    except (NoCredentialsError, TokenRetrievalError) as error:
        raise PortolanError(
            "aws", f"no usable credentials: {error}", "run: aws sso login, or set AWS_PROFILE"
        ) from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in EXPIRED:
            remedy = "sign in again: aws sso login, then run this again"
            raise PortolanError("aws", f"the token has expired ({code})", remedy) from error
        what = f"{error.operation_name} was refused: {code}: {error.response['Error'].get('Message', '')}"
        remedy = "let the role read EC2, STS and Service Quotas, and enable the region for the account"
        raise PortolanError("aws", what, remedy) from error
    except BotoCoreError as error:
        raise PortolanError(
            "aws", str(error), f"check the region {plan.region}, the profile and the network"
        ) from error


def _ask(plan: CloudPlan, session: Any) -> list[Finding]:
    caller = session.client("sts").get_caller_identity()
    findings = [Finding(name="credentials", passed=True, needed="an account", found=caller["Arn"])]
    compute = session.client("ec2")
    standing = [one["ZoneName"] for one in compute.describe_availability_zones()["AvailabilityZones"]]
    zones = list(plan.zones) or sorted(standing)[:FIRST_ZONES]
    return [
        *findings,
        *judge_zones(plan, zones, standing),
        *judge_offerings(plan, zones, _offerings(plan, compute)),
        *judge_quotas(amazon_needs(plan, len(zones)), _quotas(session), plan.region),
    ]


def _offerings(plan: CloudPlan, compute: Any) -> dict[str, set[str]]:
    wanted = sorted({pool.instance for pool in plan.pools})
    pages = compute.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": wanted}]
    )
    found: dict[str, set[str]] = {}
    for page in pages:
        for one in page["InstanceTypeOfferings"]:
            found.setdefault(one["InstanceType"], set()).add(one["Location"])
    return found


def _quotas(session: Any) -> dict[str, dict[str, Quota]]:
    client = session.client("service-quotas")
    found: dict[str, dict[str, Quota]] = {}
    for service in SERVICES:
        for page in client.get_paginator("list_service_quotas").paginate(ServiceCode=service):
            for one in page["Quotas"]:
                quota = Quota(name=one["QuotaName"], limit=one["Value"])
                found.setdefault(service, {})[quota.name] = quota
    return found


def running(plan: CloudPlan, site: str, session: Any = None) -> Counter[str]:
    """Return how many instances of each type run with the site's tag, as EC2 says; changes nothing."""
    import boto3

    client = (session or boto3.Session(region_name=plan.region)).client("ec2")
    with refusals(plan):
        filters = [
            {"Name": "tag:portolan:site", "Values": [site]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        pages = client.get_paginator("describe_instances").paginate(Filters=filters)
        return Counter(
            one["InstanceType"] for page in pages for group in page["Reservations"] for one in group["Instances"]
        )
