"""What the service and its callers are before any host stands."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import httpx
import pytest

from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sizing.engine import size
from tests.support.open_loop import asking

pytestmark = pytest.mark.short


def test_the_service_has_more_than_one_pod_so_that_one_may_go(site_file: Path) -> None:
    plan = size(load_site(site_file), load_requirements())
    scoring = next(one for one in plan.services if one.name == "risk-scoring")
    assert scoring.replicas.value >= 2


def test_a_caller_who_is_not_answered_asks_again_and_is_counted_late() -> None:
    number = itertools.count()

    def ask(kept: bool) -> str:
        if next(number) < 2:
            raise httpx.ConnectError("refused")
        return "digest"

    with asking(ask, 20) as calls:
        while len(calls.calls) < 4:
            time.sleep(0.01)
    assert calls.lost == []
    assert 1 <= len(calls.failed_at_first) <= 2
    assert calls.longest_seconds >= 0.5
    assert calls.what_failed() == {"ConnectError('refused')": 2}


def test_callers_do_not_wait_for_each_other() -> None:
    def ask(kept: bool) -> str:
        time.sleep(0.3)
        return "digest"

    with asking(ask, 40) as calls:
        time.sleep(1)
    assert len(calls.calls) >= 30
