"""What hosts get beside Kubernetes, and the lines of the report that ask for it."""

from __future__ import annotations

from portolan.requirements.loader import load_requirements
from portolan.sites.schema import Site
from portolan.sizing.features import FEATURES, plan_features
from tests.unit.inventory.test_devices import BOND, H100
from tests.unit.inventory.test_document import SITE
from tests.unit.sites.test_devices import site as site_with_devices

OTHER = ("accelerated", "linked", "directory_server", "directory_member")
DIRECTORY = {"directory": {"domain": "customs.example", "server": "control-1"}}
DISK = {"host": "worker-1", "name": "data", "device": "/dev/vdb", "mount": "/srv/data"}
SHARE = {"name": "data", "host": "worker-1", "path": "/srv/data", "mounted_on": ["worker-2"]}


def site(storage: object = None, **security: object) -> Site:
    return Site.model_validate({**SITE, "security": security, "storage": storage or {}})


def test_every_host_has_a_firewall_unless_the_site_says_otherwise():
    (firewall,) = (one for one in plan_features(site()) if one.name == "firewall")
    assert firewall.hosts == ("control-1", "worker-1", "worker-2")
    assert not any(one.name == "firewall" for one in plan_features(site(firewall=False)))


def test_intrusions_are_watched_for_where_strangers_come_in():
    assert not any(one.name == "intrusion_detection" for one in plan_features(site()))
    (watching,) = (one for one in plan_features(site(intrusion_detection=True)) if one.name == "intrusion_detection")
    assert watching.hosts == ("control-1",)


def test_every_feature_names_lines_that_the_report_has():
    known = {row.id for row in load_requirements().rows}
    guarded = site(
        storage={"disks": [DISK], "shares": [SHARE]},
        file_integrity=True,
        intrusion_detection=True,
        ban_repeated_failures=True,
        benchmarks=True,
        automatic_updates="security",
    )
    equipped = site_with_devices(host={**H100, **BOND}, identity=DIRECTORY)
    everything = (*plan_features(guarded), *(one for one in plan_features(equipped) if one.name in OTHER))
    assert sorted(feature.name for feature in everything) == sorted(FEATURES)
    for feature in everything:
        assert feature.name in FEATURES
        assert feature.requirements
        assert set(feature.requirements) <= known
