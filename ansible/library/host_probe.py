#!/usr/bin/python
"""Read, in one call, every fact of a host that the playbooks decide on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_probe
short_description: Read every fact of a host that Portolan's playbooks decide on
description:
  - One call instead of a dozen. It changes nothing, so it also runs in check mode.
options:
  ports:
    description: TCP ports whose listeners are wanted.
    type: list
    elements: int
    default: []
  directories:
    description: Directories; those that exist are returned.
    type: list
    elements: path
    default: []
  kernel_parameters:
    description: Kernel parameters that are wanted; whether each exists and can be written is returned.
    type: list
    elements: str
    default: []
  file_systems:
    description: File systems of which those that the kernel has are returned.
    type: list
    elements: str
    default: []
  ssh_port:
    description: The port of the SSH server, whose peers are returned.
    type: int
    default: 22
  services:
    description: Services; those that both run and start at boot are returned.
    type: list
    elements: str
    default: []
author: [Portolan (@portolan)]
"""

EXAMPLES = r"""
- name: Look at the host
  host_probe:
    ports: [6443, 10250]
  register: probe
"""

RETURN = r"""
distribution: {description: "ID and VERSION_ID of /etc/os-release, joined by a hyphen.", type: str, returned: always}
free_bytes: {description: Free space of the file system below /var/lib., type: int, returned: always}
memory_bytes: {description: Total memory., type: int, returned: always}
listeners: {description: "Port to the name of the process that listens there.", type: dict, returned: always}
machine_id: {description: Content of /etc/machine-id., type: str, returned: always}
time_seconds: {description: Seconds since the epoch., type: float, returned: always}
"""

# Asked beside these: what the playbook wants to set.
SYSTEM_KEYS = (
    "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
)


# What a node's pod network leaves behind when the node is reset.
POD_NETWORK = ("/sys/class/net/cni0", "/etc/cni/net.d/10-portolan.conflist")


# Of the API server: what a run wrote and was then cut before the restart is seen by these.
READ_AT_START = ("/etc/kubernetes/portolan/encryption.yaml", "/etc/kubernetes/portolan/audit-policy.yaml")


KUBECONFIGS = ("/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf", "/etc/kubernetes/kubelet.conf")


def read(path: str) -> str:
    """Return the text of a file, or an empty string where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def distribution() -> str:
    """Return for example "debian-12"."""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', read("/etc/os-release"), re.MULTILINE))
    return f"{fields.get('ID', 'unknown')}-{fields.get('VERSION_ID', 'unknown')}"


def memory() -> dict[str, int]:
    """Return /proc/meminfo in bytes."""
    return {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", read("/proc/meminfo"), re.M)}


def listening(ports: list[int]) -> dict[int, str]:
    """Return the inode of the listening socket of each port in use."""
    inodes: dict[int, str] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in read(table).splitlines()[1:]:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == "0A" and port in ports:
                inodes[port] = fields[9]
    return inodes


def listeners(ports: list[int]) -> dict[str, str]:
    """Return the process name that listens on each port in use, "unknown" where it cannot be seen."""
    inodes = listening(ports)
    if not inodes:
        return {}
    names: dict[str, str] = {}
    for process in (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        for inode in sockets(process):
            names[inode] = read(f"/proc/{process}/comm").strip()
    return {str(port): names.get(inode, "unknown") for port, inode in inodes.items()}


def sockets(process: str) -> list[str]:
    """Return the inodes of a process's sockets; one that it closes meanwhile hides none of the others."""
    found = []
    try:
        descriptors = list(Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return []
    for descriptor in descriptors:
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            found.append(target[8:-1])
    return found


def system_keys(wanted: list[str]) -> dict[str, bool]:
    """Return which kernel parameters exist, and whether they can be written."""
    paths = {key: "/proc/sys/" + key.replace(".", "/") for key in (*SYSTEM_KEYS, *wanted)}
    return {key: os.access(path, os.W_OK) for key, path in paths.items() if Path(path).exists()}


def ssh_peers(port: int) -> list[str]:
    """Return the IPv4 addresses that are connected to the SSH server's port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in read(table).splitlines()[1:]:
            fields = line.split()
            address, remote = fields[1].rpartition(":"), fields[2].rpartition(":")[0]
            if fields[3] != "01" or int(address[2], 16) != port:
                continue
            if len(remote) == 8 or remote.startswith("0000000000000000FFFF0000"):
                found.add(".".join(str(byte) for byte in reversed(bytes.fromhex(remote[-8:]))))
    return sorted(found)


def firewall() -> bool:
    """Return whether the host's own packet filter is loaded."""
    tool = shutil.which("nft") or "/usr/sbin/nft"
    if not Path(tool).exists():
        return False
    asked = [tool, "list", "chain", "inet", "portolan", "input"]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


def in_container() -> bool:
    """Return whether systemd says that this host shares its kernel with another."""
    tool = shutil.which("systemd-detect-virt")
    return bool(tool) and subprocess.run([tool, "--container", "--quiet"], check=False).returncode == 0


def packages() -> list[str]:
    """Return the names of the Debian packages that are installed."""
    stanzas = read("/var/lib/dpkg/status").split("\n\n")
    return sorted(
        stanza.partition("\n")[0].removeprefix("Package: ")
        for stanza in stanzas
        if "\nStatus: install ok installed\n" in stanza
    )


def those(question: str, services: list[str], answer: str) -> list[str]:
    """Return the services for which systemctl answers so."""
    if not services:
        return []
    told = subprocess.run(["systemctl", question, *services], check=False, capture_output=True, text=True)
    lines = told.stdout.splitlines()
    # is-enabled leaves out services that there are not; is-active answers for every one.
    if len(lines) != len(services):
        return [one for name in services for one in those(question, [name], answer)] if len(services) > 1 else []
    return [name for name, line in zip(services, lines, strict=True) if line == answer]


def kubelet_version() -> str:
    """Return the version of the installed kubelet, for example "v1.36.3", empty where there is none."""
    if not Path("/usr/bin/kubelet").exists():
        return ""
    told = subprocess.run(["/usr/bin/kubelet", "--version"], check=False, capture_output=True, text=True).stdout
    return told.strip().rpartition(" ")[2]


def api_server_version() -> str:
    """Return the version of this host's API server, empty where it has none."""
    found = re.search(r"image:.*/kube-apiserver:(v[\w.-]+)", read("/etc/kubernetes/manifests/kube-apiserver.yaml"))
    return found.group(1) if found else ""


def started_seconds(name: str) -> float | None:
    """Return when the process of this name was started, in seconds since the epoch; None where there is none."""
    for folder in (entry for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        if read(f"{folder}/comm").strip() == name:
            # The name may hold blanks; what follows its bracket does not. The 22nd field is ticks since the boot.
            fields = read(f"{folder}/stat").rpartition(")")[2].split()
            if len(fields) > 19:
                up = float(read("/proc/uptime").split()[0])
                return time.time() - up + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return None


def unread_files() -> list[str]:
    """Return the files that the API server reads only when it starts and that were written after its start."""
    started = started_seconds("kube-apiserver")
    if started is None:
        return []
    return [path for path in READ_AT_START if Path(path).exists() and Path(path).stat().st_mtime > started]


def certificate_ends() -> dict[str, str]:
    """Return when each certificate that is renewed ends: path to, for example, "2027-11-25 02:00:00Z"."""
    if not shutil.which("openssl"):
        return {}
    found = {}
    for path in sorted(Path("/etc/kubernetes/pki").rglob("*.crt")):
        if path.name.endswith("ca.crt"):
            continue  # authorities stay
        command = ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", str(path)]
        told = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        found[str(path)] = told.strip().partition("=")[2]
    return {path: end for path, end in found.items() if end}


def certificate_names() -> list[str]:
    """Return the names and addresses that the API server's certificate holds for, none where there is none."""
    command = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", "/etc/kubernetes/pki/apiserver.crt"]
    if not Path(command[-1]).exists() or not shutil.which("openssl"):
        return []
    told = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return sorted(re.findall(r"(?:DNS|IP Address):([^,\s]+)", told))


def endpoints() -> dict[str, str]:
    """Return where each kubeconfig of the host finds the API: path to address and port."""
    found = {}
    for name in KUBECONFIGS:
        server = re.search(r"^\s+server: https://(\S+)$", read(name), re.MULTILINE)
        if server:
            found[name] = server.group(1)
    return found


def interfaces() -> dict[str, str]:
    """Return the name of the network interface that has each IPv4 address."""
    told = subprocess.run(["ip", "-json", "-4", "address"], check=False, capture_output=True, text=True).stdout
    return {
        address["local"]: link["ifname"] for link in json.loads(told or "[]") for address in link.get("addr_info", ())
    }


def accelerators(devices: Path = Path("/sys/bus/pci/devices")) -> list[str]:
    """Return the bus addresses of NVIDIA's GPUs: vendor 10de, class 03 (display and 3D controllers)."""
    return sorted(
        device.name
        for device in (devices.iterdir() if devices.is_dir() else ())
        if read(f"{device}/vendor").strip() == "0x10de" and read(f"{device}/class").startswith("0x03")
    )


def rdma_devices(devices: Path = Path("/sys/class/infiniband")) -> list[str]:
    """Return the adapters that have remote memory access, InfiniBand's and Ethernet's."""
    return sorted(device.name for device in devices.iterdir()) if devices.is_dir() else []


def file_system(name: str) -> bool:
    """Return whether the kernel has a file system, or takes the module of it."""
    if re.search(rf"\b{name}$", read("/proc/filesystems"), re.MULTILINE):
        return True
    tool = shutil.which("modprobe") or "/usr/sbin/modprobe"
    return Path(tool).exists() and subprocess.run([tool, "--dry-run", "--quiet", name], check=False).returncode == 0


def debian_release() -> str:
    """Return the code name, for example "bookworm"."""
    found = re.search(r'^VERSION_CODENAME="?([\w-]+)', read("/etc/os-release"), re.MULTILINE)
    return found.group(1) if found else ""


def main() -> None:
    module = AnsibleModule(
        {
            "ports": {"type": "list", "elements": "int", "default": []},
            "directories": {"type": "list", "elements": "path", "default": []},
            "services": {"type": "list", "elements": "str", "default": []},
            "kernel_parameters": {"type": "list", "elements": "str", "default": []},
            "file_systems": {"type": "list", "elements": "str", "default": []},
            "ssh_port": {"type": "int", "default": 22},
        },
        supports_check_mode=True,
    )
    sizes = memory()
    modules_directory = f"/lib/modules/{os.uname().release}"
    facts = {
        "distribution": distribution(),
        "release": debian_release(),
        "architecture": os.uname().machine,
        "hostname": os.uname().nodename,
        "free_bytes": shutil.disk_usage("/var/lib").free,
        "memory_bytes": sizes.get("MemTotal", 0),
        "swap_bytes": sizes.get("SwapTotal", 0),
        "cpu_count": os.cpu_count() or 0,
        "machine_id": read("/etc/machine-id").strip(),
        "time_seconds": time.time(),
        "listeners": listeners(module.params["ports"]),
        "system_keys": system_keys(module.params["kernel_parameters"]),
        "interfaces": interfaces(),
        "accelerators": accelerators(),
        "rdma_devices": rdma_devices(),
        "kernel": os.uname().release,
        "packages": packages(),
        "directories": [path for path in module.params["directories"] if Path(path).is_dir()],
        "enabled_services": (enabled := those("is-enabled", module.params["services"], "enabled")),
        "services": those("is-active", enabled, "active"),
        "firewall": firewall(),
        "file_systems": [name for name in module.params["file_systems"] if file_system(name)],
        "ssh_peers": ssh_peers(module.params["ssh_port"]),
        "kernel_modules": Path(modules_directory).is_dir(),
        "container": in_container(),
        "systemd": Path("/run/systemd/system").is_dir(),
        # In check mode a package can be asked for only where apt's Python part and the repository are there already.
        "apt_ready": Path("/usr/lib/python3/dist-packages/apt").is_dir()
        and (debian_release() != "bookworm" or Path("/etc/portolan/apt.conf").exists()),
        "containerd": Path("/usr/bin/containerd").exists(),
        "pod_network": [path for path in POD_NETWORK if Path(path).exists()],
        "kubelet": Path("/usr/bin/kubelet").exists(),
        "kubelet_version": kubelet_version(),
        "api_server_version": api_server_version(),
        "api_server_unread": unread_files(),
        "certificate_ends": certificate_ends(),
        "certificate_names": certificate_names(),
        "endpoints": endpoints(),
        "kubelet_configured": Path("/etc/kubernetes/kubelet.conf").exists(),
        # The first files that a join writes; on a host that is no node they are of one that was cut short.
        "join_begun": any(Path("/etc/kubernetes", name).exists() for name in ("bootstrap-kubelet.conf", "pki/ca.crt")),
        "control_plane": Path("/etc/kubernetes/manifests/kube-apiserver.yaml").exists(),
        "control_plane_finished": Path("/var/lib/portolan/control-plane/finished").exists(),
        "control_plane_started": Path("/etc/kubernetes/portolan/kubeadm.yaml").exists(),
    }
    module.exit_json(changed=False, host=json.loads(json.dumps(facts)))


if __name__ == "__main__":
    main()
