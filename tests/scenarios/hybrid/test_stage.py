"""The platform serves on site while training runs in the cloud; the line is cut, and comes back."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from portolan.conformity.world import NODE_PORT
from portolan.platform.access import access_of
from tests.support.scenario_site import ScenarioSite, wait_for

pytestmark = pytest.mark.full

RISK = "risk-scoring"
ID = "HYB-9.5.4-02"
INNER = "10.94.0.10"
BURST_SECONDS = 900
# A request on site has nothing to do with the line; what a machine of two cores takes under a training is left to it.
REQUEST_SECONDS = 10
# As strict as the namespace asks, so that nothing but its place can be the reason of a refusal.
CONTAINER = {
    "name": "x",
    "image": "x",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
DECLARATION = {
    "office_id": "30",
    "process_type": "B",
    "import_type": "11",
    "import_use": "21",
    "payment_type": "11",
    "mode_of_transport": "10",
    "declarant_id": "ZZR1LT6",
    "importer_id": "QLRUBN9",
    "seller_id": "0VKY2BR",
    "hs6_code": "440890",
    "country_of_departure": "BE",
    "country_of_origin": "BE",
    "tax_rate": 0.0,
    "tax_type": "FEU1",
    "country_of_origin_indicator": "G",
    "net_mass": 108.0,
    "item_price": 372254.4,
    "date": "2020-01-01",
}


@dataclass
class Answers:
    """What somebody got who asked for scores all the time."""

    good: int = 0
    bad: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0


def officer(stage: ScenarioSite) -> httpx.Client:
    """Return a client who may ask for scores, connected anew for each request as many officers would be."""
    way, address = access_of(stage.site.name), stage.addresses["worker-1"].address
    alone = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(
        base_url=f"https://{address}:{NODE_PORT}", headers=way.headers, verify=way.trust(), timeout=REQUEST_SECONDS,
        limits=alone, trust_env=False,
    )  # fmt: skip


def score(client: httpx.Client) -> Any:
    answer = client.post("/v1/models/risk-scoring:predict", json={"instances": [DECLARATION]})
    return answer.raise_for_status().json()["predictions"][0]


@contextmanager
def asking(stage: ScenarioSite, pause_seconds: float = 0.5) -> Iterator[Answers]:
    """Ask for a score all the time, and note what comes back."""
    answers, stop, client = Answers(), threading.Event(), officer(stage)

    def ask() -> None:
        while not stop.is_set():
            begin = time.monotonic()
            try:
                score(client)
                answers.good += 1
            except httpx.HTTPError as error:
                answers.bad.append(repr(error))
            answers.longest_seconds = max(answers.longest_seconds, time.monotonic() - begin)
            stop.wait(pause_seconds)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()
        client.close()


def burst(stage: ScenarioSite, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stage.kubectl("get", "rayjob", name, "-n", "bursts", "-o", "json"))
    return found


def queue_says(stage: ScenarioSite, name: str) -> str:
    return str(burst(stage, name)["metadata"].get("annotations", {}).get("portolan.dev/burst", ""))


def submit(stage: ScenarioSite, name: str) -> None:
    done = stage.portolan("burst", "submit", "--name", name)
    assert done.returncode == 0, done.stderr


def line(stage: ScenarioSite, *arguments: str) -> None:
    done = stage.portolan("sandbox", "line", *arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture(autouse=True)
def whole_line(stage: ScenarioSite) -> Iterator[None]:
    line(stage, "--restore", "--delay-milliseconds", "10", "--bandwidth-megabits", "100", "--loss", "0.001")
    yield
    line(stage, "--restore")


def test_the_only_way_between_the_places_is_the_tunnel(stage: ScenarioSite) -> None:
    assert stage.on("control-1", f"ping -c 2 -W 3 {INNER}").returncode == 0
    assert stage.on("control-1", "ping -c 1 -W 1 10.94.0.3").returncode != 0  # the gateway's outer address
    line(stage, "--cut")
    assert stage.on("control-1", f"ping -c 1 -W 2 {INNER}").returncode != 0


def test_hosts_in_the_cloud_get_no_shell_on_site_and_reach_the_api(stage: ScenarioSite) -> None:
    reach = "timeout 5 bash -c 'exec 3<>/dev/tcp/{}/{}'"
    control = stage.addresses["control-1"].address
    assert stage.on("cloud-2", reach.format(control, 6443)).returncode == 0
    assert stage.on("cloud-2", reach.format(control, 22)).returncode != 0
    assert stage.on("cloud-2", reach.format(stage.addresses["worker-1"].address, 22)).returncode != 0


def test_names_are_resolved_in_each_place(stage: ScenarioSite) -> None:
    pods = stage.objects("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
    where = {pod["spec"]["nodeName"] for pod in pods}
    assert any(node.startswith("cloud-") for node in where)
    assert any(not node.startswith("cloud-") for node in where)
    corefile = stage.kubectl("get", "configmap", "coredns", "-n", "kube-system", "-o", "jsonpath={.data.Corefile}")
    assert "cloud-2.region.two-places.internal" in corefile


def test_a_sensitive_pod_asked_for_in_the_cloud_is_refused_with_the_requirement(stage: ScenarioSite) -> None:
    for override in (
        {"nodeSelector": {"portolan.dev/location-kind": "cloud"}},
        {"nodeName": "cloud-1"},
        {"tolerations": [{"operator": "Exists"}]},
    ):
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stray", "namespace": RISK},
            "spec": {"containers": [CONTAINER], "securityContext": {"runAsNonRoot": True}, **override},
        }
        done = stage.try_kubectl("create", "-f", "-", text=json.dumps(document))
        assert done.returncode != 0
        assert ID in done.stderr


def test_everything_sensitive_is_on_site(stage: ScenarioSite) -> None:
    for namespace in ("portolan-system", RISK):
        for pod in stage.objects("pods", "-n", namespace):
            assert not str(pod["spec"].get("nodeName", "")).startswith("cloud-"), pod["metadata"]["name"]
    verdicts = json.loads(
        stage.must("verify", "--depth", "standard", "--only", "cluster.residency", "-o", "json").stdout
    )
    assert '"pass"' in json.dumps(verdicts), verdicts


def test_scores_are_served_while_training_bursts_over_the_tunnel(
    stage: ScenarioSite, figure: Callable[..., None]
) -> None:
    with asking(stage) as answers:
        begin = time.monotonic()
        submit(stage, "trial-1")
        wait_for("the queue lets the burst in", lambda: queue_says(stage, "trial-1").startswith("let in"), seconds=120)
        workers = wait_for(
            "the burst has pods",
            lambda: [
                pod
                for pod in stage.objects("pods", "-n", "bursts", "-l", "ray.io/node-type=worker")
                if pod["spec"].get("nodeName")
            ],
            seconds=300,
        )
        assert {pod["spec"]["nodeName"] for pod in workers} <= {"cloud-1", "cloud-2"}
        wait_for(
            "the burst succeeds",
            lambda: burst(stage, "trial-1").get("status", {}).get("jobStatus") == "SUCCEEDED",
            seconds=BURST_SECONDS,
            pause_seconds=3,
        )
        figure("burst from submission to success", time.monotonic() - begin, "s", "portolan burst submit")
    assert answers.good > 10
    assert answers.bad == []
    figure("longest answer while training burst", answers.longest_seconds, "s")
    spent = json.loads(stage.must("burst", "list", "-o", "json").stdout)["node_hours"]
    assert sum(spent.values()) > 0


def test_a_cut_leaves_scores_as_they_are_and_bursts_wait_and_go_on(
    stage: ScenarioSite, figure: Callable[..., None]
) -> None:
    with asking(stage) as answers:
        line(stage, "--cut")
        wait_for(
            "the cluster sees that the cloud is gone",
            lambda: all(
                condition["status"] != "True"
                for node in stage.objects("nodes", "-l", "portolan.dev/location-kind=cloud")
                for condition in node["status"]["conditions"]
                if condition["type"] == "Ready"
            ),
            seconds=180,
        )
        submit(stage, "trial-2")
        wait_for(
            "the burst waits, and says why",
            lambda: "no node in the cloud can be reached" in queue_says(stage, "trial-2"),
            seconds=90,
        )
        before = answers.good
        time.sleep(15)
        assert answers.good > before
        line(stage, "--restore")
        restored = time.monotonic()
        wait_for("the tunnel answers", lambda: stage.on("worker-1", f"ping -c 1 -W 1 {INNER}").returncode == 0, 60, 0.2)
        figure("tunnel after a cut", time.monotonic() - restored, "s", "portolan sandbox line --restore; ping")
        wait_for("the burst goes on", lambda: queue_says(stage, "trial-2").startswith("let in"), seconds=180)
        figure("queue after a cut", time.monotonic() - restored, "s", "portolan sandbox line --restore")
        wait_for(
            "the burst succeeds",
            lambda: burst(stage, "trial-2").get("status", {}).get("jobStatus") == "SUCCEEDED",
            seconds=BURST_SECONDS,
            pause_seconds=3,
        )
    assert answers.bad == []


def test_keys_are_changed_without_a_lost_packet(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    line(stage, "--loss", "0")
    old = stage.output_of("worker-1", "cat /etc/portolan/tunnel/active").strip()
    stage.on("control-1", f"rm -f /run/pings; nohup ping -n -i 0.1 -w 240 {INNER} > /run/pings 2>&1 &")
    stage.must("tunnel", "rotate")
    stage.on("control-1", "pkill -INT -x ping; sleep 1")
    said = stage.output_of("control-1", "cat /run/pings")
    answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", said)}
    assert answered, said
    # What was still under way when ping was ended is not lost: it counts to the last answer.
    sent, received = max(answered), len(answered)
    new = stage.output_of("worker-1", "cat /etc/portolan/tunnel/active").strip()
    assert new != old
    assert stage.on("worker-1", f"test -e /etc/portolan/tunnel/key-{old}").returncode != 0
    figure("packets lost while keys were changed", sent - received, "packets", "ping -i 0.1 during tunnel rotate")
    assert sent > 50
    assert received == sent
    peers = json.loads(stage.must("tunnel", "status", "-o", "json").stdout)
    assert all(peer["up"] and peer["in_use"] for peer in peers)


def test_a_second_converge_changes_nothing(stage: ScenarioSite) -> None:
    stage.must("converge", "--expect-no-changes")
