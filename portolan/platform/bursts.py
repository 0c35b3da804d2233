"""Training jobs that may run in the cloud: put into the queue, and looked at."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from portolan import paths
from portolan.bundle.view import Bundle
from portolan.errors import PortolanError
from portolan.inventory.members import one_cluster
from portolan.model import Model
from portolan.sites.loader import load_site
from portolan.sites.locations import DataClass
from portolan.sites.schema import HostRole
from portolan.sizing.placement import CLASS_LABEL, KIND_LABEL, REQUIREMENT, PlacementPlan
from portolan.sizing.plan import Plan

NAMESPACE = "bursts"
STATE = "portolan.dev/burst"
STORE_URL = "http://object-store.portolan-system.svc.cluster.local:8333"
DATA_URI = "s3://anonymised/"
KUBECTL_SECONDS = 60
NODES = 2  # the report asks for training over several; where the cloud has only one worker, it is that one


class Burst(Model):
    """A training job of the queue."""

    name: str
    queue: str  # what the queue says
    status: str  # what Ray says
    suspended: bool
    started: str = ""
    ended: str = ""


def values(
    plan: Plan, image: str, name: str, seconds: int, data_uri: str = DATA_URI, data_class: str = "anonymised"
) -> dict[str, Any]:
    """Return the values of the chart risk-training for a burst: suspended, in the cloud, bounded in time."""
    assert plan.placement is not None
    there = plan.placement.hosts_of_kind("cloud")
    in_the_cloud = sum(host.role is HostRole.WORKER and host.name in there for host in plan.hosts)
    head, workers = plan.service("risk-training-head"), plan.service("risk-training-worker")
    return {
        "image": image,
        "data": {"uri": data_uri},
        "output": {"uri": f"s3://bursts/{name}/"},
        "objectStore": {"url": STORE_URL, "region": "us-east-1"},
        "credentialsSecret": "object-store-credentials",
        "head": {"cpuMillicores": int(head.cpu_millicores), "memoryMebibytes": int(head.memory_mebibytes)},
        "workers": {
            "replicas": int(workers.replicas),
            "cpuMillicores": int(workers.cpu_millicores),
            "memoryMebibytes": int(workers.memory_mebibytes),
            "minimumNodes": min(NODES, max(1, in_the_cloud)),
        },
        "deadlineSeconds": seconds,
        "suspend": True,
        "labels": {CLASS_LABEL: data_class},
        "nodeSelector": {KIND_LABEL: "cloud"},
        "tolerations": [{"key": KIND_LABEL, "operator": "Exists", "effect": "NoSchedule"}],
    }


def place_for(plan: PlacementPlan, data: DataClass, location: str | None) -> str:
    """Return the location to which a burst on such data goes: the one that is asked for, else the first that may.

    Raises PortolanError, with the requirement's id, where the data may not be there.
    """
    clouds = [one for one in plan.locations if one.kind == "cloud"]
    names = ", ".join(one.name for one in clouds)
    chosen = [one for one in plan.locations if one.name == location] if location else clouds
    if not chosen:
        raise PortolanError(f"--location {location}", "the site has no such location", f"choose one of: {names}")
    if chosen[0].kind != "cloud":
        raise PortolanError(
            f"--location {location}",
            "it is on site, where training is the platform's own and nothing bursts",
            f"choose one of: {names}",
        )
    for one in chosen:
        if data in one.data:
            return one.name
    raise PortolanError(
        f"burst on {data.value} data",
        f"{REQUIREMENT}: sensitive data stay in the local data centre, and {', '.join(one.name for one in chosen)} is "
        "in the cloud",
        "let it learn from anonymised or public data, or train on site: portolan platform up SITE",
    )


def submit(
    site_path: Path,
    name: str,
    hours: float | None,
    data: DataClass = DataClass.ANONYMISED,
    location: str | None = None,
) -> str:
    """Put a training job into the queue and return its name.

    Where each location has a cluster of its own, it goes to the queue of the one where such data may be.
    Raises PortolanError where the site has no locations, the data may not go there, the time is over the limit, or the
    cluster refuses.
    """
    placement = _plan(site_path).placement
    assert placement is not None
    where = place_for(placement, data, location)
    site_path = one_cluster(site_path, where) if placement.clusters == "one-a-location" else site_path
    plan = _plan(site_path)
    assert plan.placement is not None
    limit = plan.placement.bursts.seconds_per_job
    seconds = limit if hours is None else round(hours * 3600)
    if not 0 < seconds <= limit:
        raise PortolanError(
            f"burst {name}",
            f"{seconds / 3600:g} hours are asked for, and one burst may take {limit / 3600:g}",
            "give fewer --hours, or raise locations.bursts.hours_per_job in the site file",
        )
    bundle = Bundle.open(paths.cache())
    wanted = values(plan, bundle.reference("risk-training"), name, seconds, data_class=data.value)
    chart = paths.REPOSITORY / "charts" / "risk-training"
    command = [str(bundle.binary("helm")), "template", name, str(chart), "--namespace", NAMESPACE, "--skip-tests"]
    rendered = subprocess.run(
        [*command, "--values", "-"], input=json.dumps(wanted), capture_output=True, text=True, check=False
    )
    if rendered.returncode != 0:
        raise PortolanError(f"burst {name}", rendered.stderr.strip()[-500:], "give a name of lower case and hyphens")
    _kubectl(site_path, "create", "--namespace", NAMESPACE, "--filename", "-", text=rendered.stdout)
    return name


def bursts(site_path: Path) -> tuple[Burst, ...]:
    """Return the queue's jobs, the oldest first."""
    site_path = queue_of(site_path)
    document = json.loads(_kubectl(site_path, "get", "rayjobs.ray.io", "--namespace", NAMESPACE, "--output", "json"))
    found = sorted(document["items"], key=lambda one: one["metadata"]["creationTimestamp"])
    return tuple(
        Burst(
            name=one["metadata"]["name"],
            queue=one["metadata"].get("annotations", {}).get(STATE, "not seen by the queue yet"),
            status=one.get("status", {}).get("jobStatus") or one.get("status", {}).get("jobDeploymentStatus") or "",
            suspended=bool(one["spec"].get("suspend")),
            started=one.get("status", {}).get("startTime") or "",
            ended=one.get("status", {}).get("endTime") or "",
        )
        for one in found
    )


def spent(site_path: Path) -> dict[str, float]:
    """Return the node-hours of each month: what bursts took, and what running ones have reserved."""
    site_path = queue_of(site_path)
    ledger = ["get", "configmap", "burst-ledger", "--namespace", "portolan-system", "--output", "json"]
    months = json.loads(json.loads(_kubectl(site_path, *ledger)).get("data", {}).get("ledger.json", "{}"))
    return {month: round(sum(jobs.values()), 4) for month, jobs in sorted(months.items())}


def queue_of(site_path: Path, location: str | None = None) -> Path:
    """Return the site file of the cluster that has the queue: the cloud's own where each location has one."""
    placement = _plan(site_path).placement
    assert placement is not None
    if placement.clusters == "stretched" or placement.here is not None:
        return site_path
    return one_cluster(site_path, place_for(placement, DataClass.PUBLIC, location))


def _plan(site_path: Path) -> Plan:
    from portolan.requirements import load_requirements
    from portolan.sizing.engine import size

    plan = size(load_site(site_path), load_requirements())
    if plan.placement is None:
        raise PortolanError(str(site_path), "the site has no locations to burst to", "see docs/how-to/hybrid.md")
    return plan


def _kubectl(site_path: Path, *arguments: str, text: str | None = None) -> str:
    kubeconfig = paths.site_state(load_site(site_path).name) / "kubeconfig"
    if not kubeconfig.is_file():
        raise PortolanError(str(kubeconfig), "the site has no cluster yet", f"run: portolan up {site_path}")
    command = [str(Bundle.open(paths.cache()).binary("kubectl")), f"--kubeconfig={kubeconfig}", *arguments]
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=KUBECTL_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise PortolanError(str(kubeconfig), "the cluster does not answer", "look: portolan status") from error
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}"
        raise PortolanError(f"cluster of {site_path}", words, "correct what the cluster refuses, and run this again")
    return done.stdout
