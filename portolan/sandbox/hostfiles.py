"""What a host has beyond the bare root: its identity, its operator, its address, writable control groups.

Written into the host's upper layer before it boots. Everything is written again at each start, over what the host
itself may have changed in the meantime (its accounts are completed, never replaced).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from portolan.errors import PortolanError
from portolan.sandbox.places import write_if_changed
from portolan.sandbox.secure_shell import ensure_key
from portolan.sandbox.spec import Sandbox, SandboxHost

CGROUPS_SCRIPT = """\
#!/bin/sh
# systemd-nspawn mounts each version 1 controller read-only; kubelet and containerd make groups in them.
while read -r _ _ _ _ point _ rest; do
  case "$rest" in
    *"- cgroup "*) mount -o remount,rw,bind "$point" || exit 1 ;;
  esac
done < /proc/self/mountinfo
"""

CGROUPS_UNIT = """\
[Unit]
Description=Control groups that containers can be made in
DefaultDependencies=no
Before=sysinit.target containerd.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/portolan/remount-cgroups

[Install]
WantedBy=sysinit.target
"""

NETWORK_UNIT = """\
[Unit]
Description=The address of this host
DefaultDependencies=no
Before=network.target network-online.target ssh.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip address replace {address}/{length} dev host0
ExecStart=/usr/sbin/ip link set host0 up
ExecStart=/usr/sbin/ip route replace default via {gateway} dev host0
{line}
[Install]
WantedBy=multi-user.target network-online.target
"""

SSHD_CONFIGURATION = """\
Port {port}
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
PermitRootLogin no
UseDNS no
"""

RESOLVER = "# No resolver: there is no way off the machine, and a look-up that nobody answers would hang.\n"

# Nothing to update from, and nothing to check: they would only fail, at some moment of a test.
MASKED_UNITS = ("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "e2scrub_reap.service")


class Layer:
    """The host's root as it will be: its upper layer over the shared lower one."""

    def __init__(self, lower: Path, upper: Path) -> None:
        self.lower = lower
        self.upper = upper

    def read(self, path: str) -> str:
        """Return the content of a file as the host sees it; empty where there is none."""
        for layer in (self.upper, self.lower):
            if (layer / path).is_file():
                return (layer / path).read_text(encoding="utf-8")
        return ""

    def directory(self, path: str) -> Path:
        """Make a directory of the upper layer, its parents with the owner and mode that the lower layer gives them."""
        current, below = self.upper, self.lower
        for part in Path(path).parts:
            current, below = current / part, below / part
            if below.is_symlink():
                raise PortolanError(
                    str(below), "is a link in the host's root, not a directory", "make the bundle's root anew"
                )
            if not current.is_dir():
                current.mkdir()
                if below.is_dir():
                    status = below.stat()
                    os.chown(current, status.st_uid, status.st_gid)
                    current.chmod(status.st_mode & 0o7777)
        return current

    def write(self, path: str, content: str, mode: int = 0o644, owner: int = 0) -> None:
        """Write a file of the upper layer in one step."""
        file = self.directory(str(Path(path).parent)) / Path(path).name
        if file.is_symlink():
            file.unlink()
        write_if_changed(file, content, mode)
        os.chown(file, owner, owner)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link in the upper layer."""
        file = self.directory(str(Path(path).parent)) / Path(path).name
        if not file.is_symlink():
            file.symlink_to(target)


def with_account(text: str, name: str, line: str) -> str:
    """Return the text of /etc/passwd and its like with the account's line, which is left as it is where it stands.

    >>> with_account("root:x:0:0::/root:/bin/sh\\n", "ops", "ops:x:1000:1000::/home/ops:/bin/bash")
    'root:x:0:0::/root:/bin/sh\\nops:x:1000:1000::/home/ops:/bin/bash\\n'
    """
    if any(one.split(":", 1)[0] == name for one in text.splitlines()):
        return text
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"


def account_number(passwd: str, group: str, name: str) -> int:
    """Return the account's number where it has one, else the lowest from 1000 that is free."""
    users = {line.split(":")[0]: int(line.split(":")[2]) for line in passwd.splitlines() if line.count(":") >= 3}
    groups = {line.split(":")[0]: int(line.split(":")[2]) for line in group.splitlines() if line.count(":") >= 3}
    if name in users:
        return users[name]
    taken = {*users.values(), *groups.values()}
    return next(number for number in range(1000, 60000) if number not in taken)


def write(layer: Layer, sandbox: Sandbox, host: SandboxHost, machine_id: str, authorized_key: str) -> str:
    """Write a host's files into its upper layer and return the public key of its sshd."""
    layer.write("etc/hostname", f"{host.name}\n")
    layer.write("etc/hosts", f"127.0.0.1 localhost\n{host.address} {host.name}\n")
    layer.write("etc/machine-id", f"{machine_id}\n", 0o444)
    layer.write("etc/resolv.conf", RESOLVER)
    _operator(layer, sandbox.ssh_user, authorized_key)
    layer.write("etc/ssh/sshd_config.d/10-portolan.conf", SSHD_CONFIGURATION.format(port=sandbox.ssh_port))
    host_key = layer.directory("etc/ssh") / "ssh_host_ed25519_key"
    public_key = ensure_key(host_key, host.name)
    layer.write("usr/local/lib/portolan/remount-cgroups", CGROUPS_SCRIPT, 0o755)
    # A gateway has an outer address; from it, it reaches those of other locations over the line, as over the internet.
    line, outer = "", host.segment.endpoint
    if host.line_peers:
        line = f"ExecStart=/usr/sbin/ip address replace {outer}/32 dev host0\n"
    line += "".join(
        f"ExecStart=/usr/sbin/ip route replace {peer}/32 via {host.segment.line} dev host0 src {outer}\n"
        for peer in host.line_peers
    )
    network = NETWORK_UNIT.format(
        address=host.address, length=host.segment.network.prefixlen, gateway=host.segment.gateway, line=line
    )
    for unit, content, targets in (
        ("portolan-cgroups.service", CGROUPS_UNIT, ("sysinit.target",)),
        ("portolan-network.service", network, ("multi-user.target", "network-online.target")),
    ):
        layer.write(f"etc/systemd/system/{unit}", content)
        for target in targets:
            layer.link(f"etc/systemd/system/{target}.wants/{unit}", f"/etc/systemd/system/{unit}")
    for unit in MASKED_UNITS:
        layer.link(f"etc/systemd/system/{unit}", "/dev/null")
    layer.directory("var/log/journal")  # the journal outlives a power cut
    layer.directory("opt/portolan/bundle")
    return public_key


def _operator(layer: Layer, user: str, authorized_key: str) -> None:
    """Give the host its operator: no password, one key, all rights by sudo."""
    number = account_number(layer.read("etc/passwd"), layer.read("etc/group"), user)
    for file, line, mode in (
        ("passwd", f"{user}:x:{number}:{number}::/home/{user}:/bin/bash", 0o644),
        ("group", f"{user}:x:{number}:", 0o644),
        ("shadow", f"{user}:*:19700:0:99999:7:::", 0o600),
        ("gshadow", f"{user}:!::", 0o600),
    ):
        layer.write(f"etc/{file}", with_account(layer.read(f"etc/{file}"), user, line), mode)
    layer.write("etc/sudoers.d/portolan", f"{user} ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)
    home = layer.directory(f"home/{user}")
    for skeleton in (layer.lower / "etc/skel").glob(".*"):
        if skeleton.is_file() and not (home / skeleton.name).exists():
            shutil.copy(skeleton, home / skeleton.name)
            os.chown(home / skeleton.name, number, number)
    layer.directory(f"home/{user}/.ssh").chmod(0o700)
    layer.write(f"home/{user}/.ssh/authorized_keys", f"{authorized_key}\n", 0o600, number)
    for directory in (home, home / ".ssh"):
        os.chown(directory, number, number)
