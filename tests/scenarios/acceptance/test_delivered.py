"""A site that stands, at depth standard: everything that exists is measured, and nothing else is claimed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tests.support.scenario_site import ScenarioSite, wait_for

pytestmark = pytest.mark.full

STANDARD_SECONDS = 15 * 60  # what the depth promises
# What hosts without silicon of their own cannot show: accelerators, firmware, a management controller, a NAS, a clock;
# and figures that benchmarks write when somebody runs them.
ABSENT = (
    "*accelerator*",
    "*infiniband*",
    "host.memory-*",
    "host.sensors-*",
    "host.power-*",
    "host.temperature",
    "host.processor-throttled",
    "host.disk-nvme",
    "host.shared-storage-*",
    "host.link-*",
    "host.time-synchronised",
    "cluster.volume-attach-seconds",
    "platform.benchmark-*",
)
SIMULATED = "simulated: "  # measured, and said to be no statement on hardware

# Lines of the report that this small site does not order, or that one machine for three hosts does not give.
NOT_ORDERED = {
    "cluster.load-balancer",
    "cluster.vpn",
    "cluster.intrusion-detection",
    "cluster.storage-grows",
    "cluster.pod-start-seconds",
    "host.audit-daemon",
    "host.simultaneous-multithreading",
}

Standard = tuple[dict[str, Any], Path, float]  # what it printed, where its evidence lies, the seconds that it took


@pytest.fixture(scope="module")
def standard(stage: ScenarioSite, figure: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Standard:
    # The autoscaler looks at its metrics some time after it was made.
    active = ("wait", "--for=condition=ScalingActive", "hpa", "--all", "--timeout=5s")
    wait_for("the autoscaler has metrics", lambda: stage.kubectl("-n", "risk-scoring", *active), seconds=300)
    folder = tmp_path_factory.mktemp("standard")
    begin = time.monotonic()
    done = stage.portolan("verify", "--depth", "standard", "-o", "json", "--evidence", str(folder))
    seconds = time.monotonic() - begin
    figure("verification at depth standard", seconds, "seconds", "portolan verify --depth standard")
    assert done.returncode in (0, 1), done.stderr[-3000:]
    document: dict[str, Any] = json.loads(done.stdout)
    for verdict, number in document["summary"].items():
        figure(f"targets that are {verdict}", number, "targets")
    return document, folder, seconds


def test_everything_that_exists_here_is_measured(standard: Standard) -> None:
    silent = {
        f"{entry['target']['check']} of {entry['target']['subject']}": entry["explanation"]
        for entry in standard[0]["judgements"]
        if entry["verdict"] == "not-measured"
        and not entry["explanation"].startswith(SIMULATED)
        and not any(fnmatch(entry["target"]["check"], one) for one in ABSENT)
    }
    assert silent == {}


def test_what_does_not_exist_here_is_not_measured_and_says_why(standard: Standard) -> None:
    of_devices = [entry for entry in standard[0]["judgements"] if "accelerator" in entry["target"]["check"]]
    assert of_devices
    assert {entry["verdict"] for entry in of_devices} == {"not-measured"}
    assert all(entry["explanation"] for entry in standard[0]["judgements"] if entry["verdict"] == "not-measured")


def test_of_the_simulated_the_value_is_kept(standard: Standard) -> None:
    simulated = [entry for entry in standard[0]["judgements"] if entry["explanation"].startswith(SIMULATED)]
    assert simulated
    assert all(entry["evidence"]["value"] is not None for entry in simulated)


def test_no_target_of_the_plan_fails(standard: Standard) -> None:
    """What fails at this depth are the report's lines that the small site does not order, and those alone."""
    failing = {entry["target"]["check"] for entry in standard[0]["judgements"] if entry["verdict"] == "fail"}
    assert failing <= NOT_ORDERED


def test_no_check_broke(standard: Standard) -> None:
    assert [entry["explanation"] for entry in standard[0]["judgements"] if "Error: " in entry["explanation"]] == []


def test_it_keeps_to_its_time(standard: Standard) -> None:
    assert standard[2] < STANDARD_SECONDS


def test_judging_the_evidence_again_gives_the_same(stage: ScenarioSite, standard: Standard) -> None:
    document, folder, _ = standard
    again = stage.portolan("verify", "--from", str(folder), "-o", "json")
    assert json.loads(again.stdout)["summary"] == document["summary"]


def test_a_thousand_simulated_nodes_are_placed_upon_and_go(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    only = ("--depth", "burn-in", "--only", "cluster.[pq]*")
    done = stage.portolan("verify", *only, "-o", "json")
    assert done.returncode in (0, 1), done.stderr[-3000:]
    values = {
        entry["target"]["check"]: (entry["evidence"]["value"], entry["explanation"])
        for entry in json.loads(done.stdout)["judgements"]
    }
    for check, unit in (("cluster.pods-placed", "pods/s"), ("cluster.queue-seconds", "seconds")):
        value, why = values[check]
        assert value is not None, why
        figure(check, value, unit, "portolan verify --depth burn-in")
    assert stage.objects("nodes", "-l", "portolan.dev/simulated-node") == []
    # Told to go, a namespace of a thousand pods goes when the controller has seen each of them.
    gone = ("get", "namespace", "portolan-scheduling")
    wait_for("the trial's namespace is gone", lambda: stage.try_kubectl(*gone).returncode != 0, seconds=180)
