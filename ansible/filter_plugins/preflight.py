"""Decide whether a host can become a node: a pure function from what was seen to what is wrong."""

from __future__ import annotations

import ipaddress
from datetime import datetime

# Who may already listen on Kubernetes' ports: an earlier run's own.
OWN_PROCESSES = {"kube-apiserver", "kube-controller", "kube-scheduler", "kubelet", "etcd", "haproxy"}
# Of a load balancer, whichever it was.
BALANCED_PORTS = {8404, 8443}


def problem(what: str, remedy: str) -> str:
    """Return one line that names what is wrong and what to do."""
    return f"{what}. Remedy: {remedy}."


def gigabytes(size_bytes: int) -> str:
    """Return a size for people, in GB of 10^9 bytes."""
    return f"{size_bytes / 1e9:.1f} GB"


def preflight_problems(
    probe: dict,
    *,
    distributions: list[str],
    minimum_free_bytes: int,
    minimum_memory_bytes: int,
    minimum_cpu_count: int,
    started_seconds: float,
    ended_seconds: float,
    maximum_time_skew_seconds: int,
    machine_ids: dict[str, str],
    host: str,
    network_plugin: str,
    charts: list[str],
    images: int,
    control_planes: list[str],
    hosts_of_run: list[str],
    cluster_members: list[str],
    virtual_address: str,
    release: str,
    operators: list[str] | None = None,
    serves_nfs_by_kernel: bool = False,
) -> list[str]:
    """Return every reason why this host cannot become a node, each with its remedy; none where it can.

    The host's clock was read between `started_seconds` and `ended_seconds` of this machine's clock.
    """
    found: list[str] = []
    if probe["distribution"] not in distributions:
        found.append(
            problem(
                f"the host runs {probe['distribution']}, and the roles are made for {', '.join(distributions)}",
                "install one of those on it",
            )
        )
    if not probe["systemd"]:
        found.append(problem("systemd does not run on the host", "boot it with systemd as its first process"))
    if probe["architecture"] != "x86_64":
        found.append(
            problem(
                f"the processor is {probe['architecture']}, and the bundle's programs are made for x86_64",
                "use an x86_64 host",
            )
        )
    # A node that already runs has its images and volumes on the disk: the limit is for hosts that have not.
    if probe["free_bytes"] < minimum_free_bytes and not probe["kubelet_configured"]:
        found.append(
            problem(
                f"/var/lib has {gigabytes(probe['free_bytes'])} free, and a node needs {gigabytes(minimum_free_bytes)}",
                "free some space or mount a larger disk there",
            )
        )
    if probe["memory_bytes"] < minimum_memory_bytes:
        found.append(
            problem(
                f"the host has {gigabytes(probe['memory_bytes'])} of memory, and its role needs "
                f"{gigabytes(minimum_memory_bytes)}",
                "give it more memory",
            )
        )
    if probe["cpu_count"] < minimum_cpu_count:
        found.append(
            problem(
                f"the host has {probe['cpu_count']} processor, and its role needs {minimum_cpu_count}",
                "give it more processors",
            )
        )
    for port, process in sorted(probe["listeners"].items(), key=lambda pair: int(pair[0])):
        if process not in OWN_PROCESSES and not (process == "nginx" and int(port) in BALANCED_PORTS):
            found.append(
                problem(
                    f"port {port} is taken by the process {process}",
                    f"stop it, or move it to another port (on the host: sudo ss -ltnp 'sport = :{port}')",
                )
            )
    early = started_seconds - maximum_time_skew_seconds - probe["time_seconds"]
    late = probe["time_seconds"] - ended_seconds - maximum_time_skew_seconds
    if early > 0 or late > 0:
        found.append(
            problem(
                f"the host's clock is {max(early, late) + maximum_time_skew_seconds:.0f} s "
                f"{'behind' if early > 0 else 'ahead of'} this machine's",
                "synchronise both by NTP",
            )
        )
    twins = sorted(name for name, identity in machine_ids.items() if identity == machine_ids[host] and name != host)
    if twins:
        found.append(
            problem(
                f"the host has the same machine-id as {', '.join(twins)}",
                "on one of them: sudo rm -f /etc/machine-id /var/lib/dbus/machine-id; sudo systemd-machine-id-setup",
            )
        )
    if probe["control_plane"] and not (probe["control_plane_started"] or probe["control_plane_finished"]):
        found.append(
            problem(
                "the host carries a Kubernetes control plane that Portolan did not make",
                "take it down first (sudo kubeadm reset), or take the host out of the site file",
            )
        )
    if serves_nfs_by_kernel and ("nfsd" not in probe["file_systems"] or probe["container"]):
        found.append(
            problem(
                "the site asks for the kernel's NFS server, and the host's kernel has none of its own",
                "give `storage.nfs_server: ganesha`, or `auto`",
            )
        )
    if network_plugin != "bridge" and network_plugin not in charts:
        found.append(
            problem(
                f"the site asks for the network plugin {network_plugin}, and the bundle has no such chart",
                "build the bundle where the official chart can be reached, or choose `bridge` (one L2 network)",
            )
        )
    shut_out = outside(probe.get("ssh_peers", []), operators or [])
    if shut_out and shut_out == probe["ssh_peers"]:
        found.append(
            problem(
                f"this run comes in from {', '.join(shut_out)}, which `security.operators` leaves out: the firewall "
                "would shut it out",
                "add its range to `security.operators`, or run from an operator's machine",
            )
        )
    found += [
        problem(
            f"the certificate {path} ended on {end.partition(' ')[0]}",
            "renew the control plane's certificates: portolan certificates",
        )
        for path, end in sorted(probe["certificate_ends"].items())
        if datetime.fromisoformat(end.replace("Z", "+00:00")).timestamp() < ended_seconds
    ]
    others = sorted({probe["kubelet_version"], probe["api_server_version"]} - {"", release})
    if others and probe["kubelet_configured"]:
        found.append(
            problem(
                f"the host runs Kubernetes {', '.join(others)}, and this release brings {release}",
                "take the cluster there host by host: portolan upgrade",
            )
        )
    if len(control_planes) > 1 and not virtual_address:
        found.append(
            problem(
                f"the site has {len(control_planes)} control planes and no address that outlives any one of them",
                "give it a free address of the hosts' network: network.virtual_address in the site file",
            )
        )
    absent = [name for name in control_planes if name not in hosts_of_run]
    if host in control_planes and absent and not cluster_members:
        found.append(
            problem(
                f"the run leaves out {', '.join(absent)}, so nobody knows whether there is a cluster to join",
                "run it without --limit, or name a control-plane host that is in the cluster as well",
            )
        )
    if images == 0:
        found.append(problem("the bundle has no images", "run `portolan bundle build` first"))
    return found


def outside(peers: list[str], networks: list[str]) -> list[str]:
    """Return the addresses that lie in none of the ranges; no range at all lets in every address.

    >>> outside(["10.0.0.9", "192.0.2.1"], ["10.0.0.0/24"])
    ['192.0.2.1']
    """
    ranges = [ipaddress.ip_network(one) for one in networks]
    return [peer for peer in peers if ranges and not any(ipaddress.ip_address(peer) in one for one in ranges)]


def minor(version: str) -> tuple[int, int]:
    """Return the two numbers of a minor release.

    >>> minor("v1.36.3")
    (1, 36)
    """
    major, number, _ = version.removeprefix("v").split(".", 2)
    return int(major), int(number)


def upgrade_problem(probe: dict, *, release: str, control_plane: bool) -> str:
    """Return why this host cannot be taken to the release, empty where it can."""
    if not (probe["control_plane_finished"] if control_plane else probe["kubelet_configured"]):
        return problem("the host is no node of the cluster yet", "run `portolan converge` with the release it runs now")
    for version in filter(None, (probe["kubelet_version"], probe["api_server_version"])):
        if minor(version) > minor(release):
            return problem(
                f"the host runs Kubernetes {version}, which is newer than {release}",
                "use a release of Portolan that brings it, or restore the backup that was taken before the upgrade",
            )
        if minor(release) > (minor(version)[0], minor(version)[1] + 1):
            return problem(
                f"the host runs Kubernetes {version}, and {release} is more than one minor release further",
                "upgrade one minor release at a time, with the releases of Portolan between",
            )
    return ""


class FilterModule:
    """Make the filter known to Ansible."""

    def filters(self) -> dict:
        return {"preflight_problems": preflight_problems, "upgrade_problem": upgrade_problem}
