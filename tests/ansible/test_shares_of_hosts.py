"""What one host shares over NFS another reads and writes; who is not meant to is kept out by server and by filter.

A kernel with a client mounts the shares. One without, as a sandbox's, is shown by libnfs, which speaks both versions
from user space: that the kernel mounts them is then not measured. Debian 12's libnfs (4.0.0) encodes a call of
version 4 into 4096 bytes, so writes are small there: 3900 bytes pass, 4000 do not. libnfs 5.0.3 wrote a file of 3 MB to
the same server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.bare_site import bare_site, give, loop_devices
from tests.support.scenario_site import ScenarioSite, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SERVER, CLIENT = "storage-1", "control-1"
TAGS = ("--tags", "os,firewall,data_disks,nfs_server,nfs_client")
NODES = [{"name": CLIENT, "role": "control-plane"}, {"name": SERVER, "role": "worker", "pool": "storage"}]
STORAGE = {
    "disks": [
        {"host": SERVER, "name": "data", "device": "/dev/disk-0", "mount": "/srv/data", "layout": "plain",
         "least_gigabytes": 0.3},
    ],
    "shares": [
        {"name": "shared", "host": SERVER, "path": "/srv/data/shared", "mounted_on": [CLIENT], "squash": "all"},
        {"name": "texts", "host": SERVER, "path": "/srv/data/texts", "mounted_on": [CLIENT], "read_only": True},
        {"name": "closed", "host": SERVER, "path": "/srv/data/closed", "clients": ["192.0.2.0/24"]},
        {"name": "newest", "host": SERVER, "path": "/srv/data/newest", "versions": [4]},
    ],
}  # fmt: skip
BY = {3: "version=3&nfsport=2049&mountport=20048", 4: "version=4"}
# /tmp/pieces to the share "shared" by version 4, 2048 bytes a call.
PIECES = """
import ctypes, os, sys
nfs = ctypes.CDLL("libnfs.so.13")
nfs.nfs_init_context.restype = nfs.nfs_get_error.restype = ctypes.c_void_p
context = ctypes.c_void_p(nfs.nfs_init_context())
def must(answer):
    if answer < 0:
        sys.exit(ctypes.string_at(nfs.nfs_get_error(context)).decode())
must(nfs.nfs_set_version(context, 4))
must(nfs.nfs_mount(context, sys.argv[1].encode(), b"/srv/data/shared"))
handle = ctypes.c_void_p()
must(nfs.nfs_create(context, b"/pieces", os.O_WRONLY, 0o644, ctypes.byref(handle)))
with open("/tmp/pieces", "rb") as stream:
    while piece := stream.read(2048):
        must(nfs.nfs_write(context, handle, ctypes.c_uint64(len(piece)), piece))
must(nfs.nfs_close(context, handle))
"""
# Version 4 refuses to open at all until then; version 3 makes the file and refuses the rest.
# A server that starts lets clients claim what they had open before anybody opens anything new.
GRACE_SECONDS = 180


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScenarioSite]:
    folder = tmp_path_factory.mktemp("shares")
    with (
        loop_devices(folder, 1) as devices,
        bare_site(folder, "shares", "10.95.3.0/24", NODES, storage=STORAGE) as made,
    ):
        give(made, SERVER, devices)
        made.must("converge", *TAGS)
        made.output_of(
            CLIENT, "head --bytes 3000000 /dev/urandom > /tmp/large; head --bytes 1000 /dev/urandom > /tmp/small"
        )
        wait_for("the server's grace is over", lambda: put(made, 4, "shared", "/tmp/small", "first"), GRACE_SECONDS)
        yield made


def address(site: ScenarioSite, version: int, share: str, name: str = "") -> str:
    return f"'nfs://{site.addresses[SERVER].address}/srv/data/{share}/{name}?{BY[version]}'"


def put(site: ScenarioSite, version: int, share: str, source: str, name: str) -> bool:
    return site.on(CLIENT, f"nfs-cp {source} {address(site, version, share, name)}").returncode == 0


def same(site: ScenarioSite, version: int, share: str, name: str, source: str) -> bool:
    return site.on(CLIENT, f"nfs-cat {address(site, version, share, name)} | cmp - {source}").returncode == 0


@pytest.mark.parametrize("version", BY)
def test_a_file_comes_back_as_it_was_written(site: ScenarioSite, version: int):
    assert put(site, version, "shared", "/tmp/small", f"small-{version}")
    assert same(site, version, "shared", f"small-{version}", "/tmp/small")
    assert site.output_of(SERVER, f"stat --format %u /srv/data/shared/small-{version}") == "65534\n"  # all are nobody


def test_a_large_file_is_written_by_version_4_in_pieces_that_its_client_can_send(site: ScenarioSite):
    site.output_of(CLIENT, "head --bytes 300000 /tmp/large > /tmp/pieces")
    site.output_of(CLIENT, f"python3 - {site.addresses[SERVER].address} <<'END'\n{PIECES}\nEND", seconds=120)
    assert same(site, 4, "shared", "pieces", "/tmp/pieces")
    assert same(site, 3, "shared", "pieces", "/tmp/pieces")


@pytest.mark.parametrize("version", BY)
def test_a_large_file_is_read_by_both_versions(site: ScenarioSite, version: int):
    assert put(site, 3, "shared", "/tmp/large", f"large-{version}")  # nfs-cp writes no file that is there
    assert same(site, version, "shared", f"large-{version}", "/tmp/large")


def test_hosts_write_at_the_same_time_and_see_what_the_other_wrote(site: ScenarioSite):
    site.output_of(SERVER, "echo server > /srv/data/shared/by-server")
    assert site.output_of(CLIENT, f"nfs-cat {address(site, 4, 'shared', 'by-server')}") == "server\n"
    assert put(site, 4, "shared", "/tmp/small", "by-client")
    assert site.output_of(SERVER, "stat --format %s /srv/data/shared/by-client") == "1000\n"


@pytest.mark.parametrize("version", BY)
def test_what_is_shared_for_reading_is_not_written(site: ScenarioSite, version: int):
    site.output_of(CLIENT, f"nfs-ls {address(site, version, 'texts')}")
    assert not put(site, version, "texts", "/tmp/small", "mine")
    assert site.output_of(SERVER, "ls /srv/data/texts") == ""


@pytest.mark.parametrize("version", BY)
def test_a_client_outside_the_ranges_of_a_share_is_not_let_in(site: ScenarioSite, version: int):
    assert site.on(CLIENT, f"nfs-ls {address(site, version, 'closed')}").returncode != 0


def test_a_share_of_version_4_alone_is_not_found_by_version_3(site: ScenarioSite):
    site.output_of(CLIENT, f"nfs-ls {address(site, 4, 'newest')}")
    assert site.on(CLIENT, f"nfs-ls {address(site, 3, 'newest')}").returncode != 0


def test_the_packet_filter_lets_in_the_ports_of_nfs_on_the_server_alone(site: ScenarioSite):
    rules = site.output_of(SERVER, "nft list chain inet portolan input")
    (rule,) = (line for line in rules.splitlines() if 'comment "NFS"' in line)
    assert "ip saddr @shares tcp dport { 111, 662, 2049, 20048, 32803 }" in rule
    assert "192.0.2.0/24" in site.output_of(SERVER, "nft list set inet portolan shares")
    assert 'comment "NFS"' not in site.output_of(CLIENT, "nft list chain inet portolan input")


def test_a_second_run_and_check_mode_change_nothing(site: ScenarioSite):
    for arguments in ((), ("--check",)):
        done = site.must("converge", *TAGS, "-o", "json", *arguments)
        assert json.loads(done.stdout)["changed"] == []


def test_a_server_that_was_restarted_serves_the_same_files(site: ScenarioSite):
    assert put(site, 3, "shared", "/tmp/small", "kept")
    site.must("sandbox", "down", "--host", SERVER, "--keep-disks")
    site.must("sandbox", "up")
    wait_for("the server is back", lambda: same(site, 3, "shared", "kept", "/tmp/small"), GRACE_SECONDS)
