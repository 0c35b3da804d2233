"""Which of a scenario's tests run, and the sandbox that its full tests share.

`short` tests always run. `full` ones run where the scenario's files are not those of its last recorded pass, or where
`PORTOLAN_SCENARIO` names it (`make scenario NAME`). Of the changed ones, as many run as fit into
`PORTOLAN_SCENARIO_MINUTES`, the shortest first; the others are skipped by name, and so is one that has never passed.
The sandbox is made for the first test that asks for `stage`, and taken down after the scenario's last test, whatever
came of it; PORTOLAN_TEST_KEEP leaves it standing, and PORTOLAN_TEST_REUSE begins with one that was left so, in which
case nothing is recorded.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from portolan.errors import PortolanError
from tests.support import scenarios
from tests.support.scenario_site import ScenarioSite
from tests.support.scenarios import Figure

HERE = Path(__file__).parent
FULL_TEST_SECONDS = 45 * 60
CHOSEN, KEEP, REUSE = "PORTOLAN_SCENARIO", "PORTOLAN_TEST_KEEP", "PORTOLAN_TEST_REUSE"
LIMIT = "PORTOLAN_SCENARIO_MINUTES"
# The rest of the suite takes some 50 minutes on two cores; whoever has more time says so.
LIMIT_MINUTES = 15


@dataclass
class Run:
    """A scenario's full run, as far as it has come."""

    name: str
    expected: int  # tests; 0 where the session runs a part of the scenario only
    digests: dict[str, str]  # of the files that the run is of
    begin: float = field(default_factory=time.monotonic)
    passed: int = 0
    ended: bool = False
    figures: list[Figure] = field(default_factory=list)
    site: ScenarioSite | None = None


_runs: dict[str, Run] = {}


def scenario_of(path: Path) -> str:
    """Return the scenario whose folder a test lies in, empty for tests elsewhere."""
    return path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""


def chosen_in_full(names: Iterable[str]) -> tuple[set[str], dict[str, str]]:
    """Return the scenarios whose full tests run, and why those that should have run do not."""
    chosen = os.environ.get(CHOSEN)
    if chosen is not None:
        return {chosen}, {}
    limit = int(os.environ.get(LIMIT, LIMIT_MINUTES))
    loaded = {name: scenarios.load(name) for name in names}
    never = {name for name in loaded if scenarios.record(name) is None}
    changed = {name: one.minutes for name, one in loaded.items() if name not in never and scenarios.changed(name, one)}
    fitting = set(scenarios.within(changed, limit))
    late = {
        name: f"changed since its last full pass, and its {minutes} minutes do not fit into {LIMIT} ({limit}): "
        f"make scenario {name}"
        for name, minutes in changed.items()
        if name not in fitting
    }
    return fitting, late | {name: f"has never passed in full: make scenario {name}" for name in never}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mine: dict[str, list[pytest.Item]] = {}
    for item in items:
        if scenario_of(item.path):
            mine.setdefault(scenario_of(item.path), []).append(item)
    left: list[pytest.Item] = []
    in_full, late = chosen_in_full(mine)
    for name, tests in mine.items():
        for item in tests:
            if (item.get_closest_marker("short") is None) == (item.get_closest_marker("full") is None):
                raise pytest.UsageError(f"{item.nodeid}: mark it either short or full")
            if item.get_closest_marker("full") is None:
                continue
            if name in late:
                item.add_marker(pytest.mark.skip(reason=f"scenario {name}: {late[name]}"))
            elif name not in in_full:
                left.append(item)
            elif item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(FULL_TEST_SECONDS, func_only=True))
        if name in in_full:
            whole = {item.path for item in tests} == set((HERE / name).rglob("test_*.py"))
            whole = whole and any(item.get_closest_marker("full") for item in tests)
            digests = scenarios.digests(name, scenarios.load(name))
            _runs[name] = Run(name, expected=len(tests) if whole else 0, digests=digests)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    run = _runs.get(scenario_of(item.path))
    if run is not None:
        # A failed teardown takes its test's pass back.
        run.passed += (report.when == "call" and report.passed) - (report.when == "teardown" and report.failed)
    return report


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Take the sandbox down after the scenario's last test, once the test's own fixtures are done with it."""
    run = _runs.get(scenario_of(item.path))
    if run is not None and (nextitem is None or scenario_of(nextitem.path) != run.name):
        _take_down(run)
        run.ended = True


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Write the record of a scenario all of whose tests passed, once the last one's report is in."""
    for run in [run for run in _runs.values() if run.ended]:
        del _runs[run.name]
        if not run.passed or run.passed != run.expected:
            continue
        if run.digests != scenarios.digests(run.name, scenarios.load(run.name)):
            print(f"\nscenario {run.name}: passed, but its files changed meanwhile: not recorded", file=sys.stderr)
        else:
            seconds = time.monotonic() - run.begin
            path = scenarios.keep(run.name, run.digests, seconds, run.passed, run.figures)
            print(f"\nscenario {run.name}: passed in {seconds:.0f} s; commit {path}", file=sys.stderr)


def pytest_sessionfinish() -> None:
    for run in _runs.values():  # of a session that was stopped
        _take_down(run)


def _take_down(run: Run) -> None:
    if run.site is not None and not os.environ.get(KEEP):
        run.site.take_down()
        run.site = None


@pytest.fixture(scope="module")
def site_file(request: pytest.FixtureRequest) -> Path:
    """The scenario's site file."""
    return HERE / scenario_of(request.path) / "site.yaml"


def _run_of(request: pytest.FixtureRequest) -> Run:
    name = scenario_of(request.path)
    if name not in _runs:
        raise PortolanError(f"scenario {name}", "a short test asks for the scenario's sandbox", "mark it full")
    return _runs[name]


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, site_file: Path) -> ScenarioSite:
    """The scenario's site, standing as far as its scenario.yaml says."""
    run = _run_of(request)
    if run.site is None:
        run.begin = time.monotonic()
        run.site = ScenarioSite(site_file)
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(f"\nscenario {run.name}: bringing its sandbox up", file=sys.stderr, flush=True)
            if os.environ.get(REUSE):
                run.expected = 0  # what stood before proves nothing for the record
            else:
                run.site.stand(scenarios.load(run.name).stands)
    return run.site


@pytest.fixture(scope="module")
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keep a number that a full test measured for the scenario's record."""
    run = _run_of(request)

    def keep(name: str, value: float, unit: str, command: str = "") -> None:
        run.figures.append(Figure(name=name, value=round(value, 3), unit=unit, command=command))
        print(f"{name}: {value:.3g} {unit}", file=sys.stderr)

    return keep
