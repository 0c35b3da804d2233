"""What the network sees of hosts and cluster: open ports, TLS versions; and what the cluster lets its tenants do."""

from __future__ import annotations

import json
import re
import socket
import ssl
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.depth import Depth, by_depth
from portolan.conformity.probe import Probe, UnreadableOutputError

if TYPE_CHECKING:
    from portolan.conformity.world import World

TIMEOUT_SECONDS = 5.0
# Ports that a host of the platform may listen on towards its network, and what listens there.
KNOWN_PORTS = {
    "tcp/22": "SSH", "tcp/6443": "API server", "tcp/2379": "etcd clients", "tcp/2380": "etcd peers",
    "tcp/10250": "kubelet", "tcp/10256": "kube-proxy health", "tcp/179": "Calico BGP", "tcp/4240": "Cilium health",
    "udp/8472": "VXLAN", "udp/4789": "VXLAN", "udp/51820": "WireGuard", "udp/51871": "Cilium WireGuard",
    "tcp/8443": "load balancer of the API", "udp/1194": "OpenVPN", "udp/123": "NTP", "udp/68": "DHCP client",
    "tcp/111": "port mapper of NFS", "udp/111": "port mapper of NFS", "tcp/2049": "NFS", "tcp/20048": "NFS mounts",
    "udp/20048": "NFS mounts", "udp/2049": "NFS", "tcp/32803": "NFS locks", "udp/32803": "NFS locks",
    "tcp/662": "NFS restarts", "udp/662": "NFS restarts",
    "tcp/389": "LDAP", "tcp/636": "LDAP", "tcp/88": "Kerberos", "udp/88": "Kerberos",
    "tcp/464": "Kerberos passwords", "udp/464": "Kerberos passwords", "tcp/749": "Kerberos administration",
    "tcp/4244": "Cilium", "tcp/5473": "Calico Typha",
    "tcp/80": "HTTP", "tcp/443": "HTTPS", "tcp/9100": "node metrics", "udp/500": "IKE", "udp/4500": "IKE",
}  # fmt: skip
NODE_PORTS = range(30000, 32768)  # Kubernetes' default --service-node-port-range
LOOPBACK = re.compile(r"^(127\.|\[::1\]|::1$|\[::ffff:127\.)")
# Oldest first. Version 1.2 is the least that NIST SP 800-52 revision 2 and RFC 9325 let be offered.
TLS_VERSIONS = (
    ("1.0", ssl.TLSVersion.TLSv1),
    ("1.1", ssl.TLSVersion.TLSv1_1),
    ("1.2", ssl.TLSVersion.TLSv1_2),
    ("1.3", ssl.TLSVersion.TLSv1_3),
)

NO_TLS = "0"  # below every version


def read_ports(output: str) -> Mapping[str, Reading]:
    """Return how many ports are open to the network that nobody knows, by `ss --tcp --udp --listening`."""
    strangers: set[str] = set()
    known: set[str] = set()
    lines = [line.split() for line in output.splitlines() if line.strip()]
    if not lines:
        raise UnreadableOutputError("no socket at all, not even SSH's")
    for parts in lines:
        if len(parts) < 5 or parts[0] not in ("tcp", "udp"):
            raise UnreadableOutputError(f"a line {' '.join(parts)[:60]!r}")
        address, _, port = parts[4].rpartition(":")
        if LOOPBACK.match(address):
            continue
        name = f"{parts[0]}/{port}"
        expected = name in KNOWN_PORTS or (port.isdigit() and int(port) in NODE_PORTS)
        (known if expected else strangers).add(name)
    detail = f"unknown: {', '.join(sorted(strangers))}" if strangers else f"known: {', '.join(sorted(known))}"
    return {"strangers": Reading(float(len(strangers)), detail=detail)}


PORTS = Probe(
    "ports",
    "ss",
    lambda depth, seconds: ("ss", "--no-header", "--tcp", "--udp", "--listening", "--numeric"),
    read_ports,
    package="iproute2",
)


def accepted_versions(host: str, port: int) -> dict[str, str]:
    """Return what became of a handshake with each version of TLS: "accepted", or why not.

    Raises OSError where nothing answers.
    """
    return {name: _handshake(host, port, version) for name, version in TLS_VERSIONS}


def _handshake(host: str, port: int, version: ssl.TLSVersion) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # asking for the old versions is the point
        with suppress(ssl.SSLError):
            context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=host):
                return "accepted"
        except ssl.SSLError as error:
            # A server that wants a client's certificate has agreed on the version before it says so.
            return "accepted" if "CERTIFICATE_REQUIRED" in str(error) else f"refused: {error.reason or error}"
        except (ConnectionError, TimeoutError) as error:
            return f"refused: {type(error).__name__}"


def oldest_accepted(answers: Mapping[str, Mapping[str, str]]) -> Reading:
    """Return the oldest version that any of the addresses accepts; one that accepts none speaks no TLS.

    >>> oldest_accepted({"a:1": {"1.2": "accepted", "1.3": "accepted"}}).value
    '1.2'
    """
    oldest = {}
    for address, versions in answers.items():
        accepted = [name for name, result in versions.items() if result == "accepted"]
        if not accepted:
            return Reading(NO_TLS, detail=f"{address} agrees on no version of TLS")
        oldest[address] = accepted[0]
    if not oldest:
        return nothing("no address to ask")
    detail = ", ".join(f"{address} from {version}" for address, version in sorted(oldest.items()))
    return Reading(min(oldest.values()), detail=detail)


def _asked(addresses: Sequence[tuple[str, int]]) -> Reading:
    answers = {f"{host}:{port}": accepted_versions(host, port) for host, port in addresses}
    raw = json.dumps(answers, indent=1, sort_keys=True) + "\n"
    return replace(oldest_accepted(answers), raw=raw, tools={"OpenSSL": ssl.OPENSSL_VERSION})


def cluster_versions(world: World, subject: str, statistic: str) -> Reading:
    """Return the oldest version that the API server and the kubelets accept."""
    server = urlsplit(world.api.configuration.host)
    addresses = [(str(server.hostname), server.port or 443)]
    addresses += [(host.address.address, 10250) for host in world.hosts.values()]
    return _asked(addresses)


def endpoint_versions(world: World, subject: str, statistic: str) -> Reading:
    """Return the oldest version that the scoring endpoint accepts."""
    parts = urlsplit(world.endpoint)
    return _asked([(str(parts.hostname), parts.port or 443)])


def runs_as_root(pod: Any) -> list[str]:
    """Return the containers of a pod that nothing keeps from running as root."""
    general = pod.spec.security_context
    found = []
    for container in pod.spec.containers:
        own = container.security_context
        user = next((c.run_as_user for c in (own, general) if c and c.run_as_user is not None), None)
        never = next((c.run_as_non_root for c in (own, general) if c and c.run_as_non_root is not None), None)
        if user == 0 or (user is None and not never):
            found.append(f"{pod.metadata.namespace}/{pod.metadata.name}/{container.name}")
    return found


def image_users(world: World, subject: str, statistic: str) -> Reading:
    """Return how many containers of the platform may run as root."""
    from portolan.conformity.world import NAMESPACES

    pods = [
        pod
        for name in NAMESPACES
        for pod in world.core.list_namespaced_pod(name, _request_timeout=10).items
        if pod.status.phase == "Running"
    ]
    if not pods:
        return nothing("no pod of the platform runs")
    loose = [name for pod in pods for name in runs_as_root(pod)]
    count = sum(len(pod.spec.containers) for pod in pods)
    return Reading(float(len(loose)), detail=f"{', '.join(loose[:5])}" if loose else f"none of {count} containers")


def administrators(bindings: Iterable[Any], roles: Mapping[str, Any]) -> list[str]:
    """Return the subjects that may do everything, but for the groups that kubeadm makes for operators."""
    found = []
    for binding in bindings:
        role = roles.get(binding.role_ref.name)
        rules = (role.rules or []) if role is not None else []
        if not any(_everything(rule) for rule in rules):
            continue
        for subject in binding.subjects or []:
            operators = subject.kind == "Group" and subject.name in ("system:masters", "kubeadm:cluster-admins")
            system = subject.kind == "ServiceAccount" and subject.namespace == "kube-system"
            if not operators and not system:
                place = f"{subject.namespace}/" if subject.namespace else ""
                found.append(f"{subject.kind} {place}{subject.name} by {binding.metadata.name}")
    return found


def _everything(rule: Any) -> bool:
    return all("*" in (part or []) for part in (rule.api_groups, rule.resources, rule.verbs))


def rights(world: World, subject: str, statistic: str) -> Reading:
    """Return how many subjects may do everything in the cluster."""
    from kubernetes import client

    api = client.RbacAuthorizationV1Api(world.api)
    roles = {role.metadata.name: role for role in api.list_cluster_role(_request_timeout=10).items}
    bindings = api.list_cluster_role_binding(_request_timeout=10).items
    found = administrators(bindings, roles)
    return Reading(float(len(found)), detail=", ".join(found[:5]) or f"none of {len(bindings)} bindings")


# etcd counts its writes since it started, those of the installation too, when images were unpacked on the same disk.
# So it is asked before and after writes made for it, of one key outside what the API server reads, which goes again.
ETCD_HISTOGRAM = "etcd_disk_wal_fsync_duration_seconds"
ETCD_WRITES = 1000
ETCD_WRITE_BYTES = 2300  # what etcd's documentation lets fio append
ETCD_LEAST = ETCD_WRITES // 2  # etcd makes several writes durable at once where they meet
ETCD_AFTER = "# after the writes"
ETCD_METRICS = f"""
python3 - <<'PYTHON'
import base64, http.client, json, os, ssl, urllib.request
pki = "/etc/kubernetes/pki/etcd/"
context = ssl.create_default_context(cafile=pki + "ca.crt")
context.load_cert_chain(pki + "healthcheck-client.crt", pki + "healthcheck-client.key")
etcd = http.client.HTTPSConnection("127.0.0.1", 2379, context=context, timeout=10)
def metrics():
    return urllib.request.urlopen("http://127.0.0.1:2381/metrics", timeout=5).read().decode()
def ask(what, **fields):
    body = {{name: base64.b64encode(value).decode() for name, value in fields.items()}}
    etcd.request("POST", "/v3/kv/" + what, json.dumps(body))
    answer = etcd.getresponse()
    said = answer.read().decode()
    if answer.status != 200:
        raise SystemExit(what + " at etcd: " + str(answer.status) + " " + said)
key = b"portolan/verification"
print(metrics())
try:
    for _ in range({ETCD_WRITES}):
        ask("put", key=key, value=os.urandom({ETCD_WRITE_BYTES}))
    print("{ETCD_AFTER}")
    print(metrics())
finally:
    ask("deleterange", key=key)
PYTHON
"""


def _buckets(output: str) -> dict[float, int]:
    found = re.findall(rf'^{ETCD_HISTOGRAM}_bucket{{le="([^"]+)"}} (\d+)$', output, re.MULTILINE)
    return {float(bound): int(count) for bound, count in found}


def read_etcd(output: str) -> Mapping[str, Reading]:
    """Return the upper bound of the bucket with the 99th percentile of etcd's fsync times between two readings."""
    before, _, after = output.partition(ETCD_AFTER)
    earlier, later = _buckets(before), _buckets(after)
    if float("inf") not in later or earlier.keys() != later.keys():
        raise UnreadableOutputError(f"no two histograms {ETCD_HISTOGRAM}")
    counts = {bound: later[bound] - earlier[bound] for bound in sorted(later)}
    total = counts[float("inf")]
    if total < ETCD_LEAST:
        return {"fsync/p99": nothing(f"etcd wrote {total} times meanwhile; {ETCD_LEAST} are needed")}
    bound = next(bound for bound, count in counts.items() if count >= 0.99 * total)
    if bound == float("inf"):
        return {
            "fsync/p99": Reading(2 * max(set(counts) - {bound}), detail=f"beyond the last bucket, of {total} writes")
        }
    return {"fsync/p99": Reading(bound, detail=f"at most, of {total} writes")}


ETCD = Probe(
    "etcd-metrics", "python3", lambda depth, seconds: ("sh", "-c", ETCD_METRICS), read_etcd,
    seconds=by_depth(15), alone=True,
)  # fmt: skip


CHECKS = (
    PORTS.check(
        "host.unknown-ports", "ports open to the network that the platform does not know", "ports", "strangers",
        "inspected",
    ),
    ETCD.check(
        "host.etcd-fsync-seconds",
        f"time in which etcd made its log durable, over {ETCD_WRITES} writes made for it; the bucket's upper bound",
        "seconds", "fsync", statistics=("p99",),
    ),
    Check(
        "cluster.tls-version", "oldest version of TLS that the API server and the kubelets accept", "version",
        "a TLS handshake with each version", cluster_versions, depth=Depth.STANDARD, ground="measured",
        needs=Needs(seconds=by_depth(5)),
    ),
    Check(
        "endpoint.tls-version", "oldest version of TLS that the endpoint accepts", "version",
        "a TLS handshake with each version", endpoint_versions, depth=Depth.STANDARD, ground="measured",
        needs=Needs(seconds=by_depth(2)),
    ),
    Check(
        "cluster.containers-as-root", "containers of the platform that nothing keeps from running as root",
        "containers", "GET pods", image_users, depth=Depth.STANDARD,
    ),
    Check(
        "cluster.administrators", "subjects beside kubeadm's operators and kube-system that may do everything",
        "subjects", "GET clusterrolebindings", rights, depth=Depth.STANDARD,
    ),
)  # fmt: skip
