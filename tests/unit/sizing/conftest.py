"""Sites to size: the examples, and small ones made for a question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portolan.paths import REPOSITORY
from portolan.requirements import Requirements, load_requirements
from portolan.sites import Site

SiteMaker = Callable[..., Site]


@pytest.fixture(scope="session")
def requirements() -> Requirements:
    return load_requirements()


@pytest.fixture(scope="session")
def examples() -> Path:
    return REPOSITORY / "sites"


@pytest.fixture(scope="session")
def site_of() -> SiteMaker:
    """Make an on-prem site of existing hosts; keywords change its workload, `tier`, `workers` and `gpus`."""

    def make(tier: str = "starter", workers: int = 3, gpus: int = 0, **workload: Any) -> Site:
        hosts = [{"name": "control-1", "role": "control-plane", "address": "192.0.2.1"}]
        for number in range(workers):
            pool = "gpu" if number < gpus else "cpu"
            address = f"192.0.2.{10 + number}"
            hosts.append({"name": f"worker-{number}", "role": "worker", "pool": pool, "address": address})
        return Site.model_validate(
            {
                "name": "harbour",
                "tier": tier,
                "topology": "on-prem",
                "workload": {"declarations_per_day": 2000, **workload},
                "hosts": {"provider": "existing", "nodes": hosts},
                "network": {"hosts": "192.0.2.0/24"},
            }
        )

    return make
