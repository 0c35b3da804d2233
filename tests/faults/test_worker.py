"""A worker host loses its power: `portolan up` brings it back, and the platform is whole again."""

from __future__ import annotations

import time

import pytest

from portolan.sandbox import cgroups
from tests.faults.test_predictor import answers, wait_for
from tests.support.sandbox import portolan, what_is_missing

NOTICED_SECONDS = 90
MENDED_SECONDS = 600


def cut_power(sandbox, name):
    """Kill every process of a host at once, as a power cut does; its disk stays."""
    key = (sandbox.site.name, name)
    cgroups.remove({key: cgroups.find()[key]})


def ready(sandbox, name):
    node = sandbox.core.read_node(name)
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_worker_that_lost_its_power_is_brought_back_by_up(sandbox, capsys):
    worker = sandbox.workers[0]
    cut_power(sandbox, worker)
    noticed = wait_for(lambda: not ready(sandbox, worker), NOTICED_SECONDS)
    verified = portolan("verify", sandbox.site_path, "-o", "json", timeout_seconds=120)
    assert verified.returncode == 2, "a host that is off must not be verified"
    assert worker in verified.stderr

    begin = time.monotonic()
    done = portolan("up", sandbox.site_path, timeout_seconds=MENDED_SECONDS)
    assert done.returncode in (0, 1), done.stderr[-3000:]
    mended = time.monotonic() - begin
    assert what_is_missing(sandbox) == ""
    wait_for(lambda: answers(sandbox), 60)
    with capsys.disabled():
        print(f" [noticed after {noticed:.0f} s, mended in {mended:.0f} s]", end="")
