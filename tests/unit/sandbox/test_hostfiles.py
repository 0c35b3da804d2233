"""A host gets its files over the shared root, and what it changed itself is completed, never replaced."""

from __future__ import annotations

import os

import pytest

from portolan import paths
from portolan.errors import PortolanError
from portolan.sandbox import boot, hostfiles
from portolan.sandbox.spec import plan_sandbox
from portolan.sites import load_site

PASSWD = "root:x:0:0:root:/root:/bin/bash\n"
MACHINE_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def layer(tmp_path):
    for file, text in (("passwd", PASSWD), ("group", "root:x:0:\n"), ("shadow", "root:*:1::::::\n"), ("gshadow", "")):
        (tmp_path / "lower/etc").mkdir(parents=True, exist_ok=True)
        (tmp_path / "lower/etc" / file).write_text(text)
    (tmp_path / "lower/etc").chmod(0o750)
    (tmp_path / "upper").mkdir()
    return hostfiles.Layer(tmp_path / "lower", tmp_path / "upper")


@pytest.fixture(scope="module")
def sandbox():
    return plan_sandbox(load_site(paths.REPOSITORY / "sites" / "sandbox.yaml"), {})


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")


def test_an_account_is_added_once():
    once = hostfiles.with_account(PASSWD, "ops", "ops:x:1000:1000::/home/ops:/bin/bash")
    assert hostfiles.with_account(once, "ops", "ops:x:1001:1001::/:/bin/sh") == once


def test_an_account_gets_a_number_that_neither_a_user_nor_a_group_has():
    assert hostfiles.account_number("a:x:1000:1000::/:/bin/sh\n", "b:x:1001:\n", "ops") == 1002
    assert hostfiles.account_number("ops:x:1500:1500::/:/bin/sh\n", "", "ops") == 1500


@needs_root
def test_what_the_host_changed_is_completed_and_not_replaced(layer, sandbox):
    layer.write("etc/passwd", PASSWD + "etcd:x:101:101::/:/usr/sbin/nologin\n")
    hostfiles.write(layer, sandbox, sandbox.hosts[0], MACHINE_ID, "ssh-ed25519 AAAA key")
    text = layer.read("etc/passwd")
    assert "etcd:x:101" in text
    assert f"{sandbox.ssh_user}:x:1000" in text


@needs_root
def test_written_twice_nothing_changes(layer, sandbox):
    def contents():
        return {path: (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in layer.upper.rglob("*")}

    key = hostfiles.write(layer, sandbox, sandbox.hosts[0], MACHINE_ID, "ssh-ed25519 AAAA key")
    first = contents()
    assert hostfiles.write(layer, sandbox, sandbox.hosts[0], MACHINE_ID, "ssh-ed25519 AAAA key") == key
    assert contents() == first


@needs_root
def test_directories_and_secrets_have_the_modes_that_they_need(layer, sandbox):
    hostfiles.write(layer, sandbox, sandbox.hosts[0], MACHINE_ID, "ssh-ed25519 AAAA key")
    modes = {
        "etc": 0o750,  # the shared root's own
        "etc/shadow": 0o600,
        "etc/sudoers.d/portolan": 0o440,
        "etc/ssh/ssh_host_ed25519_key": 0o600,
        f"home/{sandbox.ssh_user}/.ssh": 0o700,
        f"home/{sandbox.ssh_user}/.ssh/authorized_keys": 0o600,
        "usr/local/lib/portolan/remount-cgroups": 0o755,
    }
    assert {path: (layer.upper / path).stat().st_mode & 0o7777 for path in modes} == modes
    assert (layer.upper / f"home/{sandbox.ssh_user}/.ssh/authorized_keys").stat().st_uid == 1000


def test_a_path_that_would_break_the_mount_options_is_refused(sandbox, tmp_path):
    with pytest.raises(PortolanError, match="commas and colons"):
        boot.start_script(sandbox, sandbox.hosts[0], tmp_path / "a,b", tmp_path / "lower", MACHINE_ID)
