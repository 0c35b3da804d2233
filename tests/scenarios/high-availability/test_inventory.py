"""What the site's file and the playbook say before any host stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from portolan.inventory.document import inventory
from portolan.inventory.sources import read_sources

pytestmark = pytest.mark.short


def test_every_role_has_its_hosts(site_file: Path) -> None:
    document = inventory(read_sources(site_file))
    assert document["control_plane"]["hosts"] == ["control-1", "control-2", "control-3"]
    assert document["workers"]["hosts"] == ["worker-1", "worker-2", "storage-1"]
    assert document["storage"]["hosts"] == ["storage-1"]
