"""Let training jobs into the cloud one by one, within limits of time and money, while the cloud can be reached.

Run in the cluster, with Python's standard library alone. A RayJob of the bursts' namespace waits suspended; `decide`
says which may start, which must wait and why, and which are put back because the cloud cannot be reached. What was
spent is kept in a ConfigMap, so that neither a restart nor a deleted job gives a budget back.
"""

from __future__ import annotations

import json
import math
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STATE = "portolan.dev/burst"  # annotation: what the queue decided, in words
ENDED = frozenset({"Complete", "Failed"})
DATA_CLASSES = frozenset({"anonymised", "public"})
REQUIREMENT = "HYB-9.5.4-02"


@dataclass(frozen=True)
class Limits:
    """What bursts may take. Money is in the site's currency."""

    namespace: str
    seconds_per_job: int
    node_hours_per_month: float
    node_hour_price: float
    monthly_budget: float
    currency: str
    jobs_at_once: int
    patience_seconds: float = 60.0  # the cloud may be gone so long before its jobs are put back


@dataclass(frozen=True)
class Job:
    """A RayJob, as far as the queue looks at it."""

    name: str
    uid: str
    created: str
    suspended: bool
    status: str  # KubeRay's jobDeploymentStatus
    nodes: int  # its pods at most stand on so many nodes
    deadline_seconds: int
    data_class: str
    started: str = ""
    ended: str = ""
    told: str = ""

    @property
    def waiting(self) -> bool:
        """Whether it may be let in."""
        return self.suspended and self.status not in ENDED

    @property
    def running(self) -> bool:
        """Whether it takes nodes."""
        return not self.suspended and self.status not in ENDED

    @property
    def reserved_node_hours(self) -> float:
        """What it takes at most, if it runs to its deadline."""
        return self.nodes * self.deadline_seconds / 3600


@dataclass(frozen=True)
class Verdict:
    """What to do with one job."""

    name: str
    words: str
    suspend: bool | None = None  # None: leave it as it is


@dataclass
class Ledger:
    """Node-hours by month and job: what ran, and what a running job has reserved."""

    months: dict[str, dict[str, float]] = field(default_factory=dict)

    def taken(self, month: str) -> float:
        """Return the node-hours of a month."""
        return sum(self.months.get(month, {}).values())

    def note(self, month: str, uid: str, node_hours: float) -> None:
        """Set what a job takes in a month."""
        self.months.setdefault(month, {})[uid] = round(node_hours, 6)


def month_of(moment: datetime) -> str:
    """Return a month as its key.

    >>> month_of(datetime(2026, 11, 25, tzinfo=UTC))
    '2026-11'
    """
    return f"{moment:%Y-%m}"


def settle(ledger: Ledger, jobs: Iterable[Job], now: datetime) -> None:
    """Replace what ended jobs had reserved by what they took."""
    for job in jobs:
        if job.status not in ENDED or not job.started:
            continue
        began = datetime.fromisoformat(job.started)
        end = datetime.fromisoformat(job.ended) if job.ended else now
        took = job.nodes * max(0.0, (end - began).total_seconds()) / 3600
        month = month_of(began)
        if job.uid in ledger.months.get(month, {}):
            ledger.note(month, job.uid, took)


def refusal(job: Job, limits: Limits) -> str:
    """Return why a job can never run as it is; empty where it can."""
    if job.data_class not in DATA_CLASSES:
        given = f"'{job.data_class}'" if job.data_class else "none"
        return f"{REQUIREMENT}: its label portolan.dev/data-class is {given}, and bursts use anonymised or public data"
    if job.deadline_seconds <= 0:
        return f"it has no spec.activeDeadlineSeconds; give one of at most {limits.seconds_per_job}"
    if job.deadline_seconds > limits.seconds_per_job:
        return (
            f"its deadline of {job.deadline_seconds} s is over the {limits.seconds_per_job} s that one burst may take"
        )
    if job.reserved_node_hours > limits.node_hours_per_month:
        return f"it needs {job.reserved_node_hours:.2f} node-hours, and a month has {limits.node_hours_per_month:g}"
    price = job.reserved_node_hours * limits.node_hour_price
    if price > limits.monthly_budget:
        return f"it may cost {price:.2f} {limits.currency}, and a month has {limits.monthly_budget:g}"
    return ""


def decide(
    jobs: Iterable[Job], ready_nodes: int, silent_seconds: float, limits: Limits, ledger: Ledger, now: datetime
) -> list[Verdict]:
    """Return a verdict on every job that has not ended; notes reservations in the ledger.

    `ready_nodes` are the cloud's; `silent_seconds` says for how long none has been.
    """
    known = sorted(jobs, key=lambda job: (job.created, job.name))
    settle(ledger, known, now)
    verdicts: list[Verdict] = []
    month = month_of(now)
    running = [job for job in known if job.running]
    if not ready_nodes and silent_seconds >= limits.patience_seconds:
        verdicts += [
            Verdict(
                job.name, "put back: no node in the cloud can be reached; it starts anew when one can", suspend=True
            )
            for job in running
        ]
        running = []
    places = limits.jobs_at_once - len(running)
    for job in known:
        if not job.waiting:
            continue
        never = refusal(job, limits)
        if never:
            verdicts.append(Verdict(job.name, f"refused: {never}"))
            continue
        held = ledger.months.get(month, {}).get(job.uid, 0.0)
        after = ledger.taken(month) - held + job.reserved_node_hours
        if ready_nodes < 1:
            words = "waiting: no node in the cloud can be reached"
        elif ready_nodes < job.nodes:
            words = f"waiting: it wants {job.nodes} nodes in the cloud, {ready_nodes} can be reached"
        elif places < 1:
            words = f"waiting: {limits.jobs_at_once} at once, and that many run"
        elif after > limits.node_hours_per_month:
            left = limits.node_hours_per_month - ledger.taken(month) + held
            words = f"waiting: it may take {job.reserved_node_hours:.2f} node-hours, {left:.2f} are left in {month}"
        elif after * limits.node_hour_price > limits.monthly_budget:
            left = limits.monthly_budget - (ledger.taken(month) - held) * limits.node_hour_price
            cost = job.reserved_node_hours * limits.node_hour_price
            words = f"waiting: it may cost {cost:.2f} {limits.currency}, {left:.2f} are left in {month}"
        else:
            places -= 1
            ledger.note(month, job.uid, job.reserved_node_hours)
            cost = job.reserved_node_hours * limits.node_hour_price
            words = f"let in: at most {job.reserved_node_hours:.2f} node-hours, {cost:.2f} {limits.currency}"
            verdicts.append(Verdict(job.name, words, suspend=False))
            continue
        verdicts.append(Verdict(job.name, words))
    return verdicts


def read_job(document: Mapping[str, Any]) -> Job:
    """Read a RayJob of the API."""
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    groups = (spec.get("rayClusterSpec") or {}).get("workerGroupSpecs") or []
    workers = sum(int(group.get("replicas") or 0) for group in groups)
    wanted = str((metadata.get("annotations") or {}).get("portolan.dev/burst-nodes", ""))
    return Job(
        name=metadata["name"],
        uid=metadata["uid"],
        created=metadata["creationTimestamp"],
        suspended=bool(spec.get("suspend")),
        status=str(status.get("jobDeploymentStatus") or ""),
        # A head without tasks stands beside a worker.
        nodes=int(wanted) if wanted.isdigit() and int(wanted) else max(1, workers),
        deadline_seconds=int(spec.get("activeDeadlineSeconds") or 0),
        data_class=str((metadata.get("labels") or {}).get("portolan.dev/data-class", "")),
        started=str(status.get("startTime") or ""),
        ended=str(status.get("endTime") or ""),
        told=str((metadata.get("annotations") or {}).get(STATE, "")),
    )


def ready(nodes: Iterable[Mapping[str, Any]]) -> int:
    """Return how many nodes are Ready and may be scheduled to."""
    return sum(
        not (node["spec"].get("unschedulable"))
        and any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"].get("conditions", ()))
        for node in nodes
    )


class Api:
    """The cluster's API, as a pod reaches it."""

    def __init__(self, folder: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self._address = f"https://{host}:{port}"
        self._folder = folder
        self._context = ssl.create_default_context(cafile=str(folder / "ca.crt"))

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API and return its answer. Raises OSError where it does not answer or refuses."""
        token = (self._folder / "token").read_text(encoding="ascii").strip()  # it is renewed while we run
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, context=self._context, timeout=10) as answer:
            return json.loads(answer.read())


class Queue:
    """The loop: look, decide, tell."""

    def __init__(self, api: Api, limits: Limits, ledger_path: str, node_selector: str) -> None:
        self.api, self.limits = api, limits
        self.ledger_path, self.node_selector = ledger_path, node_selector
        self._heard = time.monotonic()

    def turn(self) -> None:
        """Look once, and do what follows. What could not be told is told the next time."""
        jobs_path = f"/apis/ray.io/v1/namespaces/{self.limits.namespace}/rayjobs"
        nodes = ready(self.api.call("GET", f"/api/v1/nodes?labelSelector={self.node_selector}")["items"])
        if nodes:
            self._heard = time.monotonic()
        jobs = {job.name: job for job in map(read_job, self.api.call("GET", jobs_path)["items"])}
        stored = self.api.call("GET", self.ledger_path)
        before = (stored.get("data") or {}).get("ledger.json", "{}")
        ledger = Ledger(json.loads(before))
        silent = time.monotonic() - self._heard
        verdicts = decide(jobs.values(), nodes, silent, self.limits, ledger, datetime.now(UTC))
        after = json.dumps(ledger.months, sort_keys=True)
        if after != before:  # before any job starts: what is reserved is known, whatever happens next
            # The version makes a second queue's write fail instead of losing one.
            version = {"resourceVersion": stored["metadata"]["resourceVersion"]}
            self.api.call("PATCH", self.ledger_path, {"metadata": version, "data": {"ledger.json": after}})
        for verdict in verdicts:
            job = jobs[verdict.name]
            if verdict.words == job.told and verdict.suspend in (None, job.suspended):
                continue
            patch: dict[str, Any] = {"metadata": {"annotations": {STATE: verdict.words}}}
            if verdict.suspend is not None:
                patch["spec"] = {"suspend": verdict.suspend}
            self.api.call("PATCH", f"{jobs_path}/{job.name}", patch)
            print(f"{job.name}: {verdict.words}", flush=True)


def limits_from(text: str) -> Limits:
    """Read the limits that the program wrote. Raises ValueError where they are not whole."""
    limits = Limits(**json.loads(text))
    numbers = (limits.node_hours_per_month, limits.node_hour_price, limits.monthly_budget)
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        raise ValueError("limits must be finite and above 0")
    return limits


def main() -> None:
    """Take turns until the process is ended; the file that is touched each turn tells kubelet that it lives."""
    limits = limits_from(Path(os.environ["BURST_LIMITS"]).read_text(encoding="utf-8"))
    queue = Queue(Api(), limits, os.environ["BURST_LEDGER"], os.environ["BURST_NODES"])
    pause = float(os.environ.get("BURST_PAUSE_SECONDS", "3"))
    while True:
        try:
            queue.turn()
            Path("/tmp/turned").touch()
        except (OSError, urllib.error.URLError, ValueError, KeyError) as error:
            print(f"the cluster's API: {error}", file=sys.stderr, flush=True)
        time.sleep(pause)


if __name__ == "__main__":
    main()
