"""Checks of the cluster: through its API server, and on the control-plane host where only that tells the truth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Reading, nothing
from portolan.conformity.judge import version
from portolan.conformity.world import NAMESPACES

if TYPE_CHECKING:
    from portolan.conformity.world import World

TIMEOUT_SECONDS = 10
GPU = "nvidia.com/gpu"
SIMULATED = "portolan.dev/accelerator"
# An audit log that records this verification's own requests cannot be older than that.
AUDIT_FRESH_SECONDS = 300

# Reads all Secrets as etcd holds them (its JSON gateway, the kubelet's client certificate for health checks) and counts
# those that carry the prefix of an encryption provider. Prints "ENCRYPTED ALL".
SECRETS = """
python3 - <<'PYTHON'
import base64, json, ssl, urllib.request
pki = "/etc/kubernetes/pki/etcd/"
context = ssl.create_default_context(cafile=pki + "ca.crt")
context.load_cert_chain(pki + "healthcheck-client.crt", pki + "healthcheck-client.key")
encode = lambda text: base64.b64encode(text.encode()).decode()
body = json.dumps({"key": encode("/registry/secrets/"), "range_end": encode("/registry/secrets0")}).encode()
with urllib.request.urlopen("https://127.0.0.1:2379/v3/kv/range", data=body, context=context, timeout=10) as answer:
    values = [base64.b64decode(entry["value"]) for entry in json.load(answer).get("kvs", [])]
print(sum(value.startswith(b"k8s:enc:") for value in values), len(values))
PYTHON
"""
# Prints "AGE-IN-SECONDS LAST-LINE" of the API server's audit log.
AUDIT = """
log=$(sed -n 's/.*--audit-log-path=\\([^" ]*\\).*/\\1/p' /etc/kubernetes/manifests/kube-apiserver.yaml | head -n 1)
[ -n "$log" ] && [ -f "$log" ] || exit 0
echo "$(( $(date +%s) - $(stat -c %Y "$log") )) $(tail -n 1 "$log")"
"""
# Asks the cluster's resolver ($1) for a name ($2) from the host; prints the addresses.
LOOK_UP = """
python3 - "$1" "$2" <<'PYTHON'
import socket, struct, sys
server, name = sys.argv[1:]
question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\\0" + struct.pack(">HH", 1, 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
    link.settimeout(3)
    link.sendto(struct.pack(">HHHHHH", 4242, 0x0100, 1, 0, 0, 0) + question, (server, 53))
    answer = link.recv(4096)
count, at = struct.unpack(">H", answer[6:8])[0], 12 + len(question)
for _ in range(count):
    while answer[at] and answer[at] < 192:
        at += answer[at] + 1
    at += 2 if answer[at] else 1
    kind, _, _, size = struct.unpack(">HHIH", answer[at:at + 10])
    if kind == 1:
        print(socket.inet_ntoa(answer[at + 10:at + 10 + size]))
    at += 10 + size
PYTHON
"""


def lowest_version(texts: Iterable[str]) -> Reading:
    """Return the oldest of the versions, for that is what a cluster can be relied on to do."""
    known = sorted((number, text) for text in texts if (number := version(text)) is not None)
    if not known:
        return nothing("neither the API server nor a node tells its version")
    return Reading(known[0][1].lstrip("v"), detail=f"newest {known[-1][1].lstrip('v')}")


def is_ready(node: Any) -> bool:
    """Return whether a node's condition Ready is True."""
    return any(condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions or [])


def cluster_version(world: World, subject: str, statistic: str) -> Reading:
    """Return the oldest version among the API server and all kubelets."""
    from kubernetes import client

    server = client.VersionApi(world.api).get_code(_request_timeout=TIMEOUT_SECONDS).git_version
    return lowest_version([server, *(node.status.node_info.kubelet_version for node in nodes(world))])


def nodes(world: World) -> list[Any]:
    """Return all nodes."""
    return list(world.core.list_node(_request_timeout=TIMEOUT_SECONDS).items)


def nodes_ready(world: World, subject: str, statistic: str) -> Reading:
    """Return how many nodes are Ready."""
    found = nodes(world)
    late = [node.metadata.name for node in found if not is_ready(node)]
    return Reading(float(len(found) - len(late)), detail=f"not ready: {', '.join(late)}" if late else "")


def gpus_per_node(world: World, subject: str, statistic: str) -> Reading:
    """Return the allocatable GPUs of one node, or the fewest among the nodes that have any."""
    found = nodes(world)
    counts = {node.metadata.name: int(node.status.allocatable.get(GPU, "0")) for node in found}
    labels = {node.metadata.name: node.metadata.labels or {} for node in found}
    if subject in counts:
        counts = {subject: counts[subject]}
    with_any = {name: count for name, count in counts.items() if count}
    if not with_any:
        return Reading(0.0, detail=f"no node advertises {GPU}")
    simulated = [
        name for name in with_any if world.simulated_accelerators(name) or labels[name].get(SIMULATED) == "simulated"
    ]
    detail = ", ".join(f"{name}: {count}" for name, count in with_any.items())
    label = f" (simulated on {', '.join(simulated)})" if simulated else ""
    return Reading(float(min(with_any.values())), detail=detail + label, simulated=bool(simulated))


def read_secrets(output: str) -> Reading:
    """Return whether every Secret in etcd carries an encryption provider's prefix."""
    numbers = output.split()
    if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        return nothing("etcd does not show its Secrets")
    encrypted, count = (int(number) for number in numbers)
    if count == 0:
        return nothing("the cluster holds no Secret yet")
    return Reading(encrypted == count, detail=f"{encrypted} of {count} Secrets in etcd are encrypted")


def secrets_encrypted(world: World, subject: str, statistic: str) -> Reading:
    """Return whether etcd holds every Secret encrypted."""
    answer = world.control_plane().shell(SECRETS)
    if answer.status != 0:
        return nothing(f"etcd does not answer: {(answer.errors.strip().splitlines() or ['no message'])[-1]}")
    return read_secrets(answer.output)


def read_audit(output: str) -> Reading:
    """Return whether the audit log has a recent entry that is an audit event."""
    age, _, line = output.strip().partition(" ")
    if not age:
        return Reading(False, detail="the API server writes no audit log")
    try:
        event = json.loads(line)
    except ValueError:
        event = {}
    if not str(event.get("apiVersion", "")).startswith("audit.k8s.io/"):
        return Reading(False, detail="the last line of the audit log is no audit event")
    fresh = re.fullmatch(r"-?\d+", age) is not None and int(age) <= AUDIT_FRESH_SECONDS
    return Reading(fresh, detail=f"last event {age} s ago")


def audit_log(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the API server writes audit events; asks it something first, so that there is one."""
    world.core.list_namespaced_secret("kube-system", _request_timeout=TIMEOUT_SECONDS)
    answer = world.control_plane().shell(AUDIT)
    return read_audit(answer.output)


def pod_security(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the platform's namespaces enforce pod security, and a privileged pod is refused (dry run)."""
    from kubernetes import client

    found = {
        item.metadata.name: item.metadata.labels or {}
        for item in world.core.list_namespace(_request_timeout=TIMEOUT_SECONDS).items
    }
    missing = [name for name in NAMESPACES if name not in found]
    if missing:
        return Reading(False, detail=f"no namespace {', '.join(missing)}")
    level = {name: found[name].get("pod-security.kubernetes.io/enforce", "nothing") for name in NAMESPACES}
    loose = [f"{name} enforces {what}" for name, what in level.items() if what not in ("baseline", "restricted")]
    if loose:
        return Reading(False, detail=", ".join(loose))
    try:
        world.core.create_namespaced_pod(
            "risk-scoring", privileged_pod(), dry_run="All", _request_timeout=TIMEOUT_SECONDS
        )
    except client.ApiException as error:
        refused = error.status == 403 and "violates PodSecurity" in str(error.body)
        return Reading(refused, detail="a privileged pod is refused" if refused else f"refused for {error.reason}")
    return Reading(False, detail="risk-scoring lets a privileged pod in")


def privileged_pod() -> dict[str, Any]:
    """Return a pod that no namespace of the platform may let in."""
    container = {"name": "probe", "image": "probe", "securityContext": {"privileged": True}}
    return {"metadata": {"name": "portolan-probe"}, "spec": {"containers": [container], "hostNetwork": True}}


def dns(world: World, subject: str, statistic: str) -> Reading:
    """Return whether every worker can look up a Service's name at the cluster's resolver."""
    resolver = world.core.read_namespaced_service("kube-dns", "kube-system", _request_timeout=TIMEOUT_SECONDS)
    wanted = world.core.read_namespaced_service("kubernetes", "default", _request_timeout=TIMEOUT_SECONDS)
    for name, host in world.hosts.items():
        answer = host.shell(LOOK_UP, resolver.spec.cluster_ip, "kubernetes.default.svc.cluster.local")
        if answer.output.split() != [wanted.spec.cluster_ip]:
            said = answer.output.strip() or (answer.errors.strip().splitlines() or ["no answer"])[-1]
            return Reading(False, detail=f"from {name}: {said}")
    return Reading(True, detail=f"{resolver.spec.cluster_ip} answers on {len(world.hosts)} hosts")


CHECKS = (
    Check(
        "cluster.version",
        "oldest version among API server and kubelets",
        "version",
        "GET /version, GET /api/v1/nodes",
        cluster_version,
    ),
    Check("cluster.nodes-ready", "nodes whose condition Ready is True", "nodes", "GET /api/v1/nodes", nodes_ready),
    Check(
        "cluster.gpus-per-node",
        "allocatable GPUs of the subject's node, or the fewest on a node that has any",
        "GPU",
        "GET /api/v1/nodes",
        gpus_per_node,
    ),
    Check(
        "cluster.secrets-encrypted",
        "every Secret in etcd is encrypted",
        "yes/no",
        "etcd v3/kv/range of /registry/secrets/",
        secrets_encrypted,
        ground="measured",
    ),
    Check(
        "cluster.audit-log",
        "the API server writes audit events",
        "yes/no",
        "last line of --audit-log-path",
        audit_log,
        ground="measured",
    ),
    Check(
        "cluster.pod-security",
        "the platform's namespaces enforce baseline or restricted, and a privileged pod is refused",
        "yes/no",
        "GET namespaces; POST pods?dryRun=All",
        pod_security,
        ground="measured",
    ),
    Check(
        "cluster.dns",
        "each host can look up a Service's name",
        "yes/no",
        "DNS query to Service kube-dns",
        dns,
        ground="measured",
    ),
)
