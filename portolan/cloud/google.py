"""Questions to Google Cloud: read-only, by Google's own client of Compute Engine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from portolan.cloud.checks import Finding, Quota, google_needs, judge_offerings, judge_quotas, judge_zones
from portolan.errors import PortolanError
from portolan.sizing.parts import CloudPlan

FIRST_ZONES = 3
PROJECT = "GOOGLE_CLOUD_PROJECT"
SCOPE = "https://www.googleapis.com/auth/compute.readonly"


@dataclass(frozen=True)
class Connection:
    """How Google is reached; `address` names another server than Google's own."""

    credentials: Any
    project: str
    address: str = ""

    def client(self, kind: Any) -> Any:
        """Return a client of Compute Engine."""
        options = {"api_endpoint": self.address} if self.address else None
        return kind(credentials=self.credentials, client_options=options, transport="rest")


def connect() -> Connection:
    """Return the user's own session, as gcloud, a workload identity or the environment gives it.

    Raises PortolanError where there are no credentials, or no project is named.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        credentials, project = google.auth.default(scopes=[SCOPE])
    except DefaultCredentialsError as error:
        remedy = "run: gcloud auth application-default login, or give the host a service account"
        raise PortolanError("gcp", f"no usable credentials: {str(error).splitlines()[0]}", remedy) from error
    named = os.environ.get(PROJECT) or project
    if not named:
        raise PortolanError("gcp", f"no project is named: {PROJECT} is not set", f"export {PROJECT}=your-project")
    return Connection(credentials, named)


def preflight(plan: CloudPlan, connection: Connection | None = None) -> list[Finding]:
    """Ask Google whether the plan is possible with this project in this region; change nothing.

    Raises PortolanError where there are no credentials, where they have expired, or where Google refuses to answer.
    """
    with refusals(plan):
        return _ask(plan, connection or connect())


def running(plan: CloudPlan, site: str, connection: Connection | None = None) -> Counter[str]:
    """Return how many hosts of each machine type run with the site's label; changes nothing."""
    from google.cloud import compute_v1

    with refusals(plan):
        known = connection or connect()
        client = known.client(compute_v1.InstancesClient)
        chosen = f"labels.portolan-site={site}"
        request = compute_v1.AggregatedListInstancesRequest(project=known.project, filter=chosen)
        return Counter(
            one.machine_type.rsplit("/", 1)[-1]
            for _, scoped in client.aggregated_list(request=request)
            for one in scoped.instances
            if one.status in ("PROVISIONING", "STAGING", "RUNNING")
        )


@contextmanager
def refusals(plan: CloudPlan) -> Iterator[None]:
    """Turn what Google's own client raises into one error with its remedy."""
    from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, Unauthenticated, Unauthorized
    from google.auth.exceptions import GoogleAuthError, RefreshError

    try:
        yield
    except (RefreshError, Unauthenticated, Unauthorized) as error:
        what = f"the token has expired or is not accepted: {_first(error)}"
        raise PortolanError(
            "gcp", what, "sign in again: gcloud auth application-default login, then run this again"
        ) from error
    except GoogleAuthError as error:
        remedy = "run: gcloud auth application-default login"
        raise PortolanError("gcp", f"no usable credentials: {_first(error)}", remedy) from error
    except Forbidden as error:
        remedy = "enable compute.googleapis.com in the project, and give the account the role Compute Viewer"
        raise PortolanError("gcp", f"a question was refused: {_first(error)}", remedy) from error
    except NotFound as error:
        remedy = f"correct cloud.region ({plan.region}); gcloud compute regions list shows the names"
        raise PortolanError("gcp", f"there is no such region or project: {_first(error)}", remedy) from error
    except GoogleAPICallError as error:
        raise PortolanError("gcp", f"cannot be asked: {_first(error)}", "check the network, then run again") from error


def _ask(plan: CloudPlan, connection: Connection) -> list[Finding]:
    from google.cloud import compute_v1

    project = connection.project
    region = connection.client(compute_v1.RegionsClient).get(project=project, region=plan.region)
    standing = sorted(zone.rsplit("/", 1)[-1] for zone in region.zones)
    zones = list(plan.zones) or standing[:FIRST_ZONES]
    quotas = {one.metric: Quota(name=one.metric, limit=one.limit, used=one.usage) for one in region.quotas}
    return [
        Finding(name="credentials", passed=True, needed="a project", found=f"project {project}"),
        *judge_zones(plan, zones, standing),
        *judge_offerings(plan, zones, _offerings(plan, connection, [one for one in zones if one in standing])),
        *judge_quotas(google_needs(plan), {"compute": quotas}, plan.region, "gcp"),
    ]


def _offerings(plan: CloudPlan, connection: Connection, zones: list[str]) -> dict[str, set[str]]:
    from google.cloud import compute_v1

    client = connection.client(compute_v1.MachineTypesClient)
    wanted = sorted({pool.instance for pool in plan.pools})
    named = " OR ".join(f'(name = "{one}")' for one in wanted)
    found: dict[str, set[str]] = {}
    for zone in zones:
        request = compute_v1.ListMachineTypesRequest(project=connection.project, zone=zone, filter=named)
        for one in client.list(request=request):
            found.setdefault(one.name, set()).add(zone)
    return found


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
