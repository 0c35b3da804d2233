"""Each host of the site over SSH, as root through sudo, the way that Ansible reaches it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from portolan.conformity.reach import HostConnection, connections
from portolan.sites.loader import load_site
from portolan.sites.schema import Host
from tests.support.sandbox import Sandbox, site_file

ROLES = {"host": None, "control_plane": "control-plane", "worker": "worker"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    nodes = load_site(site_file()).hosts.nodes
    for fixture, role in ROLES.items():
        if fixture in metafunc.fixturenames:
            names = [node.name for node in nodes if role is None or node.role.value == role]
            metafunc.parametrize(fixture, names, indirect=True)


@pytest.fixture(scope="session")
def hosts(sandbox: Sandbox) -> Iterator[Mapping[str, HostConnection]]:
    with connections(tuple(sandbox.addresses.values())) as opened:
        yield opened


@pytest.fixture
def host(request: pytest.FixtureRequest, hosts: Mapping[str, HostConnection]) -> Any:
    """Testinfra's view of a host."""
    return hosts[request.param].host


@pytest.fixture
def control_plane(request: pytest.FixtureRequest, hosts: Mapping[str, HostConnection]) -> Any:
    """Testinfra's view of a control-plane host."""
    return hosts[request.param].host


@pytest.fixture
def worker(request: pytest.FixtureRequest, hosts: Mapping[str, HostConnection]) -> Any:
    """Testinfra's view of a worker."""
    return hosts[request.param].host


@pytest.fixture
def node(request: pytest.FixtureRequest, sandbox: Sandbox) -> Host:
    """The site's entry of the host that the test looks at."""
    (name,) = (request.node.callspec.params[key] for key in ROLES if key in request.node.callspec.params)
    (found,) = (entry for entry in sandbox.site.hosts.nodes if entry.name == name)
    return found
