"""Roles nfs_server and nfs_client: what both servers and the mounts are told of the site's shares."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from portolan.inventory.parts import part_variables
from portolan.sites.schema import Site
from tests.ansible.loading import ANSIBLE
from tests.unit.inventory.test_document import SITE

SHARES = [
    {"name": "models", "host": "worker-1", "path": "/srv/models", "mounted_on": ["worker-2"], "squash": "all"},
    {"name": "old-texts", "host": "worker-1", "path": "/srv/texts", "versions": [3], "read_only": True,
     "clients": ["10.20.0.0/24", "10.30.0.7/32"], "mounted_on": ["control-1"]},
]  # fmt: skip


def shares() -> list[dict[str, Any]]:
    site = Site.model_validate({**SITE, "storage": {"shares": SHARES}})
    found: list[dict[str, Any]] = part_variables(site)["nfs_shares"]
    return found


def rendered(role: str, template: str, **variables: Any) -> str:
    # As Ansible does: the first newline after a block is not kept.
    environment = Environment(
        loader=FileSystemLoader(ANSIBLE / "roles" / role / "templates"), trim_blocks=True, undefined=StrictUndefined
    )
    return environment.get_template(template).render(**variables)


def served(template: str) -> str:
    ports = {
        f"nfs_server_{name}_port": number for name, number in (("mountd", 20048), ("lockd", 32803), ("statd", 662))
    }
    return rendered("nfs_server", template, nfs_server_shares=shares(), nfs_server_versions=[3, 4], **ports)


def test_a_site_without_shares_says_nothing_of_them():
    assert part_variables(Site.model_validate(SITE)) == {}


def test_a_share_is_for_the_hosts_own_range_where_the_site_names_no_other():
    models, texts = shares()
    assert (models["number"], models["clients"], models["unit"]) == (1, ["10.89.0.0/24"], "mnt-models.mount")
    assert (texts["clients"], texts["mount"]) == (["10.20.0.0/24", "10.30.0.7/32"], "/mnt/old_texts")


def test_the_kernels_server_names_every_range_of_a_share_with_what_it_may():
    lines = [line for line in served("exports.j2").splitlines() if line.startswith("/")]
    assert lines == [
        "/srv/models 10.89.0.0/24(rw,sync,no_subtree_check,fsid=1,all_squash)",
        "/srv/texts 10.20.0.0/24(ro,sync,no_subtree_check,fsid=2,root_squash) "
        "10.30.0.7/32(ro,sync,no_subtree_check,fsid=2,root_squash)",
    ]


def test_every_port_that_the_filter_opens_is_one_that_a_server_is_told():
    told = served("nfs.conf.j2") + served("ganesha.conf.j2")
    assert all(told.count(f"ort = {port}") + told.count(f"ort={port}") for port in (2049, 20048, 32803, 662))


def test_ganesha_lets_nobody_in_but_the_ranges_of_a_share():
    models, texts = served("ganesha.conf.j2").split("EXPORT {")[1:]
    assert [line.strip() for line in texts.splitlines() if "Access_Type" in line] == [
        "Access_Type = None;",
        "Access_Type = RO;",
    ]
    assert "Protocols = 3, 4;" in models
    assert "Protocols = 3;" in texts
    assert "Clients = 10.20.0.0/24, 10.30.0.7/32;" in texts


@pytest.mark.parametrize(
    ("number", "options"),
    [(0, "vers=4.2,rw,hard"), (1, "vers=3,proto=tcp,mountproto=tcp,port=2049,mountport=20048,ro,hard")],
)
def test_a_mount_takes_the_newest_version_that_its_share_speaks(number: int, options: str):
    unit = rendered(
        "nfs_client",
        "share.mount.j2",
        item=shares()[number],
        hostvars={"worker-1": {"ansible_host": "10.89.0.11"}},
        nfs_client_mountd_port=20048,
        nfs_client_options="hard",
    )
    assert f"Options={options}" in unit.splitlines()
    assert f"What=10.89.0.11:{SHARES[number]['path']}" in unit
