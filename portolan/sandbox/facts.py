"""What is particular to a sandbox host, as Ansible variables that its inventory entry carries.

They are properties of these hosts, never defaults of a role: a rack server has none of them. Why each is so
is told in docs/explanation/sandbox.md.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portolan.sites.schema import HostRole

BUNDLE_PATH = "/opt/portolan/bundle"

MACHINE_RESERVED_MEMORY_BYTES = 1 << 30  # for the machine itself: its own system, Pulumi, Ansible, the tests
CONTROL_PLANE_MILLICORES = 700  # kubeadm's static pods ask for 650: 250 + 200 + 100 + 100
_MEBIBYTE = 1 << 20

# The same for every sandbox host.
HOST_FACTS: Mapping[str, Any] = {
    # Docker-less kernels of small machines still have cgroup v1; kubelet 1.35 and later refuse it by default.
    "kubelet_fail_cgroup_v1": False,
    # systemd inside the host does not own the v1 controllers.
    "cgroup_driver": "cgroupfs",
    # Lowering a score, and raising a limit, need CAP_SYS_RESOURCE, which the machine may lack.
    "kubelet_oom_score_adj": 0,
    "kube_proxy_oom_score_adj": 0,
    "containerd_restrict_oom_score_adj": True,
    "systemd_limits_cleared": True,
    # Every host sees the whole machine's disk: the default limits would evict pods and delete imported images.
    "kubelet_image_gc_high_threshold_percent": 100,
    "kubelet_eviction_hard": {
        "memory.available": "100Mi",
        "nodefs.available": "1%",
        "nodefs.inodesFree": "1%",
        "imagefs.available": "1%",
        "imagefs.inodesFree": "1%",
    },
    # nf_conntrack_max belongs to the machine and is read-only in a host; to write it is fatal to kube-proxy.
    "kube_proxy_conntrack_max_per_core": 0,
    # SystemVerification reads the kernel's configuration, which is not there.
    "kubeadm_ignore_preflight": ["SystemVerification", "Swap", "NumCPU", "Mem"],
    # There is no way off the machine, so no resolver either.
    "upstream_dns": [],
    "swap_managed": False,
    # The bundle is bound read-only into every host: nothing is copied.
    "portolan_bundle_path": BUNDLE_PATH,
}


def open_files_limit() -> int:
    """Return how many files a process in a host may open: the machine's hard limit, at most kubelet's million."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1_000_000 if hard == resource.RLIM_INFINITY else min(hard, 1_000_000)


def reserved_memory_bytes(machine_memory_bytes: int, hosts: int) -> int:
    """Return what each host's kubelet reserves, so that all hosts together advertise no more than the machine.

    Every host sees the machine's whole memory. Whole mebibytes, rounded up.

    >>> reserved_memory_bytes(24 << 30, 3) >> 20  # each advertises (24 GiB - 1 GiB) / 3
    16726
    """
    share = max(0, machine_memory_bytes - MACHINE_RESERVED_MEMORY_BYTES) // hosts
    return -(-(machine_memory_bytes - share) // _MEBIBYTE) * _MEBIBYTE


def reserved_cpu_millicores(machine_cores: int, role: HostRole, control_planes: int, workers: int) -> int:
    """Return the processor time that a host's kubelet reserves, in thousandths of a core.

    The workers together advertise the machine's cores. A control-plane host advertises what its static pods ask for
    on top, or kubelet would refuse them: requests are shares, and the control plane is idle while the workers work.

    >>> reserved_cpu_millicores(2, HostRole.CONTROL_PLANE, 1, 2), reserved_cpu_millicores(2, HostRole.WORKER, 1, 2)
    (1300, 1000)
    """
    total = machine_cores * 1000
    if role is HostRole.CONTROL_PLANE:
        return total - min(total, max(total // (control_planes + workers), CONTROL_PLANE_MILLICORES))
    return total - total // workers


def machine_memory_bytes() -> int:
    """Return the machine's memory, in bytes, from /proc/meminfo."""
    return meminfo_bytes("MemTotal")


def meminfo_bytes(field: str) -> int:
    """Return one field of /proc/meminfo, in bytes."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise KeyError(field)


def host_facts(
    role: HostRole, roles: tuple[HostRole, ...], memory_bytes: int, cores: int, near: tuple[HostRole, ...] | None = None
) -> dict[str, Any]:
    """Return the Ansible variables of one host, of a sandbox with hosts of these roles.

    `near` are the roles in the host's own location: each location offers the machine's cores, since what one asks for
    stands still while the other works (requests are shares); memory is divided among all hosts.
    """
    here = roles if near is None else near
    control_planes = sum(one is HostRole.CONTROL_PLANE for one in here)
    workers = max(1, len(here) - control_planes)
    return {
        **HOST_FACTS,
        "kubelet_max_open_files": open_files_limit(),
        "kubelet_system_reserved_memory_bytes": reserved_memory_bytes(memory_bytes, len(roles)),
        "kubelet_system_reserved_cpu_millicores": reserved_cpu_millicores(cores, role, control_planes, workers),
    }
