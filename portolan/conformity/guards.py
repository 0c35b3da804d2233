"""Who guards the site: VPN, load balancers, intrusion detection, auditd; and rights that follow roles, tried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.depth import Depth, by_depth
from portolan.conformity.probe import Probe, UnreadableOutputError
from portolan.conformity.world import NAMESPACES

if TYPE_CHECKING:
    from portolan.conformity.world import World

TIMEOUT_SECONDS = 10
# Tunnels of the host: "wireguard NAME STATE PEERS LATEST-HANDSHAKE", "tun NAME STATE", "ipsec NAME"; then the end.
TUNNELS = """
state() { cat "/sys/class/net/$1/operstate" 2>/dev/null || echo down; }
if command -v wg >/dev/null 2>&1; then
  for name in $(wg show interfaces 2>/dev/null); do
    echo "wireguard $name $(state "$name") $(wg show "$name" peers | wc -l)" \\
      "$(wg show "$name" latest-handshakes | awk -v now="$(date +%s)" \\
         'BEGIN {least = -1} $2 > 0 && (least < 0 || now - $2 < least) {least = now - $2} END {print least}')"
  done
fi
pgrep -x openvpn >/dev/null 2>&1 && ip -o tuntap show 2>/dev/null | awk -F: '{print "tun", $1, "up"}'
command -v swanctl >/dev/null 2>&1 && swanctl --list-sas 2>/dev/null | awk '/ESTABLISHED/ {print "ipsec", $1}'
echo tunnels-end
"""
# Programs that spread traffic and listen beyond the loopback: "balancer NAME ADDRESS"; HAProxy's servers that are up
# and down: "server NAME STATE"; then the end.
BALANCERS = """
ss -H -tlnp 2>/dev/null | awk '$4 !~ /^127\\./ && $4 !~ /^\\[::1\\]/ && match($0, /"(haproxy|nginx|envoy|traefik)"/) {
  print "balancer", substr($0, RSTART + 1, RLENGTH - 2), $4}'
for socket in /run/haproxy/admin.sock /run/haproxy.sock; do
  [ -S "$socket" ] || continue
  command -v socat >/dev/null 2>&1 || continue
  echo 'show stat' | socat - "$socket" | awk -F, '$2 != "FRONTEND" && $2 != "BACKEND" && /^[^#]/ && NF > 17 {
    print "server", $1 "/" $2, $18}'
  break
done
echo balancers-end
"""
# What watches: "sensor NAME STATE" of each unit that is known here; then the end.
SENSORS = """
for name in suricata falco falco-modern-bpf falco-kmod snort zeek wazuh-agent auditd; do
  state=$(systemctl is-active "$name" 2>/dev/null)
  [ "$state" = inactive ] && ! systemctl cat "$name" >/dev/null 2>&1 && continue
  [ -n "$state" ] && echo "sensor $name $state"
done
for name in Suricata-Main falco; do pgrep -x "$name" >/dev/null 2>&1 && echo "sensor $name active"; done
echo sensors-end
"""


def lines_of(output: str, last: str) -> list[list[str]]:
    """Return the words of each line of a list that says that it is whole.

    Raises UnreadableOutputError where its last line is not there.
    """
    lines = output.strip().splitlines()
    if not lines or lines[-1] != last:
        raise UnreadableOutputError("the list was not read to its end")
    return [line.split() for line in lines[:-1]]


def read_tunnels(output: str) -> Mapping[str, Reading]:
    """Return whether a tunnel stands: WireGuard's with a peer, OpenVPN's, or IPsec's."""
    standing: list[str] = []
    fallen: list[str] = []
    for words in lines_of(output, "tunnels-end"):
        if words[0] == "wireguard" and len(words) == 5:
            age = f"last handshake {words[4]} s ago" if words[4] != "-1" else "no handshake yet"
            told = f"WireGuard {words[1]}, {words[3]} peers, {age}"
            (standing if words[3] != "0" and words[2] != "down" else fallen).append(told)
        elif words[0] in ("tun", "ipsec") and len(words) >= 2:
            standing.append(f"{'OpenVPN' if words[0] == 'tun' else 'IPsec'} {words[1]}")
        else:
            raise UnreadableOutputError(f"a tunnel {' '.join(words)[:60]!r}")
    return {"tunnel": Reading(bool(standing), detail=", ".join(standing or fallen) or "no tunnel")}


def read_balancers(output: str) -> Mapping[str, Reading]:
    """Return whether a load balancer listens to the network; one whose servers are all down spreads nothing."""
    listening, up, down = set(), 0, 0
    for words in lines_of(output, "balancers-end"):
        if words[0] == "balancer" and len(words) == 3:
            listening.add(f"{words[1]} on {words[2]}")
        elif words[0] == "server" and len(words) >= 3:
            alive = words[2].startswith(("UP", "no"))  # "no check": the server is not asked how it is
            up, down = up + alive, down + (not alive)
        else:
            raise UnreadableOutputError(f"a line {' '.join(words)[:60]!r}")
    detail = ", ".join(sorted(listening)) + (f"; {up} of {up + down} servers are up" if up + down else "")
    return {"balancer": Reading(bool(listening) and (up > 0 or down == 0), detail=detail or "none listens")}


def read_sensors(output: str) -> Mapping[str, Reading]:
    """Return whether an intrusion detection watches, and whether auditd records."""
    states: dict[str, str] = {}
    for words in lines_of(output, "sensors-end"):
        if words[0] != "sensor" or len(words) != 3:
            raise UnreadableOutputError(f"a line {' '.join(words)[:60]!r}")
        states[words[1]] = words[2]
    auditd = states.pop("auditd", "not installed")
    active = [name for name, state in states.items() if state == "active"]
    told = ", ".join(f"{name} is {state}" for name, state in states.items()) or "none is installed"
    return {
        "intrusion": Reading(bool(active), detail=told),
        "auditd": Reading(auditd == "active", detail=f"auditd is {auditd}"),
    }


TUNNEL_PROBE = Probe("tunnels", "ip", lambda depth, seconds: ("sh", "-c", TUNNELS), read_tunnels,
                     version=("ip", "-V"), package="iproute2")  # fmt: skip
BALANCER_PROBE = Probe("balancers", "ss", lambda depth, seconds: ("sh", "-c", BALANCERS), read_balancers,
                       package="iproute2")  # fmt: skip
SENSOR_PROBE = Probe("guards", "systemctl", lambda depth, seconds: ("sh", "-c", SENSORS), read_sensors,
                     package="systemd")  # fmt: skip


def on_any_host(readings: Mapping[str, Reading]) -> Reading:
    """Return yes where a host has it; no where all were asked and none has; else not measured.

    >>> on_any_host({"a": Reading(False, "none"), "b": Reading(True, "wg0")}).detail
    'b: wg0'
    """
    for name, reading in readings.items():
        if reading.value is True:
            return replace(reading, detail=f"{name}: {reading.detail}")
    for name, reading in readings.items():
        if reading.value is None:
            return nothing(f"{name}: {reading.reason_not_measured}")
    if not readings:
        return nothing("the site has no host to ask")
    return Reading(False, detail=f"on none of {len(readings)} hosts: {next(iter(readings.values())).detail}")


def _somewhere(probe: Probe, key: str) -> Callable[[World, str, str], Reading]:
    def measure(world: World, subject: str, statistic: str) -> Reading:
        return on_any_host({name: probe.reading(probe.run(world, name), key) for name in world.hosts})

    return measure


def may(world: World, user: str, groups: list[str], verb: str, resource: str) -> bool:
    """Return whether the API server would let somebody do something in the whole cluster."""
    from kubernetes import client

    body = client.V1SubjectAccessReview(
        spec=client.V1SubjectAccessReviewSpec(
            user=user,
            groups=groups,
            resource_attributes=client.V1ResourceAttributes(verb=verb, resource=resource),
        )
    )
    answer = client.AuthorizationV1Api(world.api).create_subject_access_review(body, _request_timeout=TIMEOUT_SECONDS)
    return bool(answer.status.allowed)


def rights_by_role(world: World, subject: str, statistic: str) -> Reading:
    """Return whether those without a role may read no Secret: a stranger, the anonymous, each namespace's default."""
    people = {
        "the anonymous": ("system:anonymous", ["system:unauthenticated"]),
        "a user without a role": ("portolan-nobody", ["system:authenticated"]),
    } | {
        f"the default account of {name}": (
            f"system:serviceaccount:{name}:default",
            ["system:serviceaccounts", f"system:serviceaccounts:{name}", "system:authenticated"],
        )
        for name in NAMESPACES
    }
    let_in = [who for who, (user, groups) in people.items() if may(world, user, groups, "get", "secrets")]
    return Reading(not let_in, detail=f"let in: {', '.join(let_in)}" if let_in else f"{len(people)} are refused")


def anonymous_store(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the object store refuses to list a bucket without a signature."""
    import httpx

    from portolan.conformity.store import object_store

    store: Any = object_store(world)
    answer = httpx.get(f"{store.meta.endpoint_url}/models", timeout=TIMEOUT_SECONDS, trust_env=False)
    refused = answer.status_code in (401, 403)
    return Reading(refused, detail=f"HTTP {answer.status_code} without a signature")


_CLUSTER = by_depth(3)
CHECKS = (
    Check("cluster.vpn", "a host of the site holds a tunnel: WireGuard with a peer, OpenVPN or IPsec", "yes/no",
          "wg show; ip tuntap; swanctl --list-sas on every host", _somewhere(TUNNEL_PROBE, "tunnel"),
          depth=Depth.STANDARD, needs=Needs(tools=("ip",), seconds=_CLUSTER)),
    Check("cluster.load-balancer", "a load balancer listens to the network, and one of its servers is up", "yes/no",
          "ss -tlnp; HAProxy's show stat on every host", _somewhere(BALANCER_PROBE, "balancer"),
          depth=Depth.STANDARD, needs=Needs(tools=("ss",), seconds=_CLUSTER)),
    Check("cluster.intrusion-detection", "an intrusion detection (Suricata, Falco, Snort, Zeek, Wazuh) watches",
          "yes/no", "systemctl is-active on every host", _somewhere(SENSOR_PROBE, "intrusion"),
          depth=Depth.STANDARD, needs=Needs(tools=("systemctl",), seconds=_CLUSTER)),
    SENSOR_PROBE.check("host.audit-daemon", "auditd records on the host", "yes/no", "auditd", "inspected"),
    Check("cluster.rights-by-role", "who has no role may read no Secret: anonymous, a stranger, default accounts",
          "yes/no", "POST subjectaccessreviews", rights_by_role, depth=Depth.STANDARD, ground="measured"),
    Check("platform.object-store-refuses-anonymous", "the object store lists no bucket without a signature", "yes/no",
          "S3 list without a signature", anonymous_store, depth=Depth.STANDARD, ground="measured"),
)  # fmt: skip
