"""Questions to Azure: read-only, by Azure's own management clients."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from portolan.cloud.checks import Finding, Quota, azure_needs, judge_offerings, judge_quotas, judge_zones
from portolan.errors import PortolanError
from portolan.sizing.parts import CloudPlan

FIRST_ZONES = ("1", "2", "3")
SUBSCRIPTION = "AZURE_SUBSCRIPTION_ID"
EXPIRED = ("ExpiredAuthenticationToken", "AuthenticationFailed", "InvalidAuthenticationToken")
RESTRICTED = "Location"  # a restriction of a size that holds in the whole region


@dataclass(frozen=True)
class Connection:
    """How Azure is reached; `options` go to every client (another address, another authority to trust)."""

    credential: Any
    subscription: str
    options: Mapping[str, Any] = field(default_factory=dict)


def connect() -> Connection:
    """Return the user's own session, as `az login`, a workload identity or the environment gives it.

    Raises PortolanError where the subscription is not named.
    """
    from azure.identity import DefaultAzureCredential

    subscription = os.environ.get(SUBSCRIPTION, "")
    if not subscription:
        raise PortolanError(
            "azure", f"{SUBSCRIPTION} is not set", f"export {SUBSCRIPTION}=$(az account show --query id -o tsv)"
        )
    return Connection(DefaultAzureCredential(), subscription)


def preflight(plan: CloudPlan, connection: Connection | None = None) -> list[Finding]:
    """Ask Azure whether the plan is possible with this subscription in this region; change nothing.

    Raises PortolanError where there are no credentials, where they have expired, or where Azure refuses to answer.
    """
    with refusals(plan):
        return _ask(plan, connection or connect())


def running(plan: CloudPlan, site: str, connection: Connection | None = None) -> Counter[str]:
    """Return how many hosts of each size run with the site's tag, as the scale sets say; changes nothing."""
    with refusals(plan):
        known = connection or connect()
        found: Counter[str] = Counter()
        for one in _compute(known).virtual_machine_scale_sets.list_all():
            if (one.tags or {}).get("portolan:site") == site and one.sku is not None:
                found[str(one.sku.name)] += int(one.sku.capacity or 0)
        return +found


@contextmanager
def refusals(plan: CloudPlan) -> Iterator[None]:
    """Turn what Azure's own client raises into one error with its remedy."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError

    try:
        yield
    except ClientAuthenticationError as error:
        code = _code(error)
        if code in EXPIRED or "expired" in str(error).lower():
            what = f"the token has expired ({code or 'AADSTS'})"
            raise PortolanError("azure", what, "sign in again: az login, then run this again") from error
        what = f"no usable credentials: {str(error).splitlines()[0]}"
        raise PortolanError("azure", what, "run: az login, or give the host a managed identity") from error
    except HttpResponseError as error:
        code, remedy = _code(error), "give the identity the role Reader on the subscription"
        if code in ("SubscriptionNotFound", "InvalidSubscriptionId"):
            remedy = f"correct {SUBSCRIPTION}; az account list shows those that you may use"
        if code in ("NoRegisteredProviderFound", "LocationNotAvailableForResourceType", "InvalidLocation"):
            remedy = f"correct cloud.region ({plan.region}); az account list-locations shows the names"
        what = f"a question was refused: {code or error.status_code}: {error.message.splitlines()[0]}"
        raise PortolanError("azure", what, remedy) from error
    except ServiceRequestError as error:
        raise PortolanError("azure", f"cannot be reached: {error}", "check the network and its proxy") from error


def _ask(plan: CloudPlan, connection: Connection) -> list[Finding]:
    compute = _compute(connection)
    sizes = _sizes(plan, compute)
    found = f"subscription {connection.subscription}"
    zones = list(plan.zones) or list(FIRST_ZONES)
    standing = sorted({zone for _, there in sizes.values() for zone in there})
    return [
        Finding(name="credentials", passed=True, needed="a subscription", found=found),
        *(judge_zones(plan, zones, standing) if standing else []),
        *judge_offerings(plan, zones, {name: there for name, (_, there) in sizes.items()}),
        *judge_quotas(
            azure_needs(plan, {name: family for name, (family, _) in sizes.items()}),
            {"compute": _usages(plan, compute), "network": _network(plan, connection)},
            plan.region,
            "azure",
        ),
    ]


def _sizes(plan: CloudPlan, compute: Any) -> dict[str, tuple[str, set[str]]]:
    """Return family and zones of the plan's sizes, where the subscription may use them."""
    wanted = {pool.instance for pool in plan.pools}
    found: dict[str, tuple[str, set[str]]] = {}
    for one in compute.resource_skus.list(filter=f"location eq '{plan.region}'"):
        if one.resource_type != "virtualMachines" or one.name not in wanted:
            continue
        limits = one.restrictions or []
        closed = any(str(limit.type) == RESTRICTED or str(limit.type).endswith("LOCATION") for limit in limits)
        shut = {zone for limit in limits for zone in (getattr(limit.restriction_info, "zones", None) or ())}
        zones = {zone for place in one.location_info or () for zone in place.zones or ()}
        found[one.name] = (one.family or one.name, set() if closed else zones - shut)
    return found


def _usages(plan: CloudPlan, compute: Any) -> dict[str, Quota]:
    return {
        one.name.value: Quota(name=one.name.value, limit=float(one.limit), used=float(one.current_value))
        for one in compute.usage.list(plan.region)
    }


def _network(plan: CloudPlan, connection: Connection) -> dict[str, Quota]:
    """Return the limits of the network, which Azure's quota service knows."""
    from azure.mgmt.quota import QuotaMgmtClient

    client = QuotaMgmtClient(connection.credential, connection.subscription, **connection.options)
    scope = f"/subscriptions/{connection.subscription}/providers/Microsoft.Network/locations/{plan.region}"
    used = {one.name: _value(one.properties, "usages") for one in client.usages.list(scope)}
    return {
        str(one.name): Quota(name=str(one.name), limit=_value(one.properties, "limit"), used=used.get(one.name, 0.0))
        for one in client.quota.list(scope)
    }


def _value(properties: Any, key: str) -> float:
    inner = getattr(properties, key, None)
    return float(getattr(inner, "value", 0) or 0)


def _compute(connection: Connection) -> Any:
    from azure.mgmt.compute import ComputeManagementClient

    return ComputeManagementClient(connection.credential, connection.subscription, **connection.options)


def _code(error: Any) -> str:
    inner = getattr(error, "error", None)
    return str(getattr(inner, "code", "") or "")
