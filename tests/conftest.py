"""Order of the suite, and the one sandbox that its later part shares.

Folders that need nothing run first; those that need the running site follow; those that break it come last.
`PORTOLAN_TEST_SITE` names another site file than sites/sandbox.yaml; a site that stands whole is used as it is and left
standing, one that does not is brought up, and taken down again unless `PORTOLAN_TEST_KEEP` is set.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from portolan.errors import PortolanError
from tests.support import sandbox as running

# A machine shared with a running cluster has no fixed speed: how long an example takes proves nothing.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")

# A suite that a script started in the background inherits an ignored Ctrl-C, and so would every command that it tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
NEED_NOTHING = ("unit", "program", "charts")
NEED_THE_SITE = ("hosts", "cluster", "faults")
BREAKS_THE_SITE = "faults"
TEST_TIMEOUT_SECONDS = 900


def folder_of(path: Path) -> str:
    """Return the folder directly under tests/ in which a test lies, empty for tests elsewhere."""
    return path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""


def rank(path: Path) -> int:
    """Return when a test runs: smaller is earlier."""
    folder = folder_of(path)
    if folder == BREAKS_THE_SITE:
        return 100
    if folder in NEED_THE_SITE:
        return 50 + NEED_THE_SITE.index(folder)
    return NEED_NOTHING.index(folder) if folder in NEED_NOTHING else len(NEED_NOTHING)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if folder_of(item.path) in NEED_THE_SITE:
            item.add_marker("sandbox")
        if item.get_closest_marker("sandbox"):
            # Bringing the site up is bounded by a limit of its own, so only the test's body is timed.
            own = item.get_closest_marker("timeout")
            seconds = own.args[0] if own else TEST_TIMEOUT_SECONDS
            item.add_marker(pytest.mark.timeout(seconds, func_only=True), append=False)
    items.sort(key=lambda item: rank(item.path))


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest) -> Iterator[running.Sandbox]:
    """The running site."""
    path = running.site_file()
    started = False
    try:
        found = running.find(path)
    except PortolanError as error:
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(f"\n{error}; bringing it up", flush=True)
            running.bring_up(path)
        started = True
        found = running.find(path)
    yield found
    if started and not os.environ.get("PORTOLAN_TEST_KEEP"):
        running.take_down(path)
