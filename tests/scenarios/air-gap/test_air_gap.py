"""From one exported file to a cluster, with egress denied to hosts and to the machine that runs the playbook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portolan import paths
from portolan.sites.loader import load_site
from tests.support import egress
from tests.support.scenario_site import ScenarioSite

ELSEWHERE = "192.0.2.1"  # reserved for documentation: nobody is there
STEP_SECONDS = 40 * 60
SITE = Path(__file__).with_name("site.yaml")


def bundle(*arguments: str | Path, cache: Path) -> None:
    command = [sys.executable, "-c", "from portolan.cli import run; run()", "bundle", *map(str, arguments)]
    subprocess.run(
        command,
        check=True,
        cwd=paths.REPOSITORY,
        stdout=sys.stderr,
        timeout=STEP_SECONDS,
        env={**os.environ, "PORTOLAN_CACHE": str(cache)},
    )


@pytest.fixture(scope="module")
def imported() -> Iterator[Path]:
    """A cache that holds what came out of one exported file, and nothing else."""
    workplace = Path(tempfile.mkdtemp(prefix="portolan-air-gap-", dir=paths.cache()))
    archive, cache = workplace / "bundle.tar.zst", workplace / "cache"
    try:
        bundle("export", archive, cache=paths.cache())
        bundle("import", archive, cache=cache)
        archive.unlink()
        yield cache
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


@pytest.fixture(scope="module")
def apart(stage: ScenarioSite, imported: Path) -> Iterator[tuple[egress.Confined, egress.Egress]]:
    """The site's bare hosts, with the imported bundle; the playbook's place; and the counter on the bridge."""
    before = os.environ.get("PORTOLAN_CACHE")
    os.environ["PORTOLAN_CACHE"] = str(imported)
    try:
        stage.must("sandbox", "up")
        with egress.counting(stage.site) as counter, egress.confined(stage.site, imported) as place:
            yield place, counter
    finally:
        stage.take_down()
        if before is None:
            del os.environ["PORTOLAN_CACHE"]
        else:
            os.environ["PORTOLAN_CACHE"] = before


@pytest.mark.short
def test_the_counter_knows_what_is_the_sites_own():
    rules = egress.rules(load_site(SITE))
    returned = {line.split()[3] for line in rules.splitlines() if line.endswith("RETURN")}
    assert {"10.92.1.0/24", "10.96.0.0/12", "10.80.0.0/16"} <= returned
    assert "0.0.0.0/0" not in returned


@pytest.mark.full
def test_the_playbook_has_no_way_out_but_by_the_bridge(apart):
    place, _ = apart
    assert sorted(place.links()) == ["lo", "site0"]
    assert not place.reaches(ELSEWHERE, 443)


@pytest.mark.full
def test_the_counter_counts_what_tries_to_leave(apart, stage: ScenarioSite):
    _, counter = apart
    before = counter.packets()
    stage.on("worker-1", f"ping -c 1 -W 1 {ELSEWHERE}")
    assert counter.packets() > before


@pytest.mark.full
def test_the_whole_playbook_runs_and_no_packet_tries_to_leave(apart, stage: ScenarioSite, figure: Callable[..., None]):
    place, counter = apart
    before = counter.packets()
    done = place.portolan("converge", stage.path, "-o", "json", seconds=STEP_SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    nodes = json.loads(subprocess.run(
        ["ip", "netns", "exec", place.namespace, str(place.cache / "bundle/bin/kubectl"),
         f"--kubeconfig={stage.kubeconfig}", "get", "nodes", "-o", "json"],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout)["items"]  # fmt: skip
    assert len(nodes) == len(stage.site.hosts.nodes)
    left = counter.packets() - before
    figure(
        "packets that tried to leave during the playbook",
        left,
        "packets",
        "iptables -t raw -v -x -n -L PORTOLAN-EGRESS-*",
    )
    figure("the playbook without any way out", json.loads(done.stdout)["seconds"], "seconds", "portolan converge")
    assert left == 0


@pytest.mark.full
def test_a_second_run_changes_nothing_and_asks_nobody_outside(apart, stage: ScenarioSite):
    place, counter = apart
    before = counter.packets()
    done = place.portolan("converge", stage.path, "--expect-no-changes", seconds=STEP_SECONDS)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert counter.packets() == before
