"""Ansible against bare `kubeadm init` and `kubeadm join` by plain SSH, on the same hosts in the same run.

What each side includes:

- `ansible, bare hosts`: the whole playbook on hosts fresh from the installer. Packages, kernel parameters, containerd,
  binaries, import of every image, kubeadm, network plugin, labels, until the playbook ends and every node is Ready.
- `ansible, prepared hosts`: the same playbook after `kubeadm reset`, packages, binaries and images being there.
- `kubeadm`: on the hosts so prepared, `kubeadm init` with the configuration that the playbook wrote, then
  `kubeadm join` on the workers side by side, until every node is Ready. The network plugin's configuration is the
  playbook's.

The two that start from the same hosts are compared with the limit; the first shows what preparing costs on top.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Figure, figure, median
from benchmarks.provisioning.site import Bench, command, timed
from portolan import paths
from portolan.errors import PortolanError

LIMIT = 2.0
READY_SECONDS = 600
PLAYBOOK = "ansible-playbook site.yml"
KUBEADM = "ssh: kubeadm init --config, kubeadm join on the workers side by side, nodes Ready"

CONFIGURATION = "/etc/kubernetes/portolan/kubeadm.yaml"
# What `kubeadm reset` leaves to the administrator: the pods' interfaces and rules, and the playbook's note that there
# is a control plane. Packages, binaries, images, the network plugin's and kubeadm's configuration stay.
RESET = """
kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
rm -rf /var/lib/cni/networks /var/lib/portolan/control-plane/started /var/lib/portolan/control-plane/finished
for table in nat mangle filter; do iptables -t $table -F; iptables -t $table -X; done
ip link delete cni0 2>/dev/null || true
"""
# kubeadm's own join configuration: $1 end point, $2 token, $3 digest of the authority, $4 name, $5 address.
JOIN = """
umask 077
cat > /run/join.yaml <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery: {bootstrapToken: {apiServerEndpoint: "$1", token: "$2", caCertHashes: ["$3"]}}
nodeRegistration:
  name: "$4"
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: IfNotPresent
  ignorePreflightErrors: [all]
  kubeletExtraArgs: [{name: node-ip, value: "$5"}]
patches: {directory: /etc/kubernetes/patches}
YAML
kubeadm join --config /run/join.yaml
rm /run/join.yaml
"""


def playbook(bench: Bench, *arguments: str) -> None:
    """Run the playbook as an operations team does, and see that every node is Ready."""
    folder, tools = paths.REPOSITORY / "ansible", Path(sys.executable).parent
    environment = {"PORTOLAN_SITE": str(bench.site_path), "PATH": f"{tools}:{os.environ['PATH']}"}
    command([str(tools / "ansible-playbook"), "site.yml", *arguments], directory=folder, more=environment)
    wait_until_ready(bench)


def reset(bench: Bench) -> None:
    """Take the cluster off the hosts, and leave them prepared."""
    bench.everywhere(RESET)


def bare_kubeadm(bench: Bench) -> None:
    """Initialise the control plane, join the workers side by side, wait until every node is Ready."""
    bench.shell(bench.control_plane, f"kubeadm init --config {CONFIGURATION}")
    words = bench.shell(bench.control_plane, "kubeadm token create --print-join-command").split()
    bench.kubeconfig.write_text(bench.shell(bench.control_plane, "cat /etc/kubernetes/admin.conf"), encoding="utf-8")
    token, digest = (words[words.index(flag) + 1] for flag in ("--token", "--discovery-token-ca-cert-hash"))
    with ThreadPoolExecutor(max_workers=max(1, len(bench.workers))) as pool:
        joins = [
            pool.submit(bench.shell, name, JOIN, words[2], token, digest, name, bench.hosts[name].address.address)
            for name in bench.workers
        ]
        for join in joins:
            join.result()
    wait_until_ready(bench)


def wait_until_ready(bench: Bench) -> None:
    """Wait until every host is a Ready node."""
    end = time.monotonic() + READY_SECONDS
    path = "{range .items[*]}{.status.conditions[?(@.type=='Ready')].status}{' '}{end}"
    while True:
        states = bench.kubectl("get", "nodes", "-o", f"jsonpath={path}").split()
        if states == ["True"] * len(bench.hosts):
            return
        if time.monotonic() > end:
            raise PortolanError("cluster", f"nodes after {READY_SECONDS} s: {states}", "look at the kubelets' logs")
        time.sleep(0.2)


def measure(bench: Bench, repeat: int) -> list[Figure]:
    """Return the figures of the hosts; the cluster stands at the end, made by the playbook."""
    first = timed("ansible, bare hosts", lambda: playbook(bench))
    bare: list[float] = []
    prepared: list[float] = []
    for _ in range(repeat):
        reset(bench)
        bare.append(timed("kubeadm, prepared hosts", lambda: bare_kubeadm(bench)))
        reset(bench)
        prepared.append(timed("ansible, prepared hosts", lambda: playbook(bench)))
    again = timed("ansible, nothing to do", lambda: playbook(bench))
    return figures_of(first, prepared, bare, again)


def figures_of(first: float, prepared: Sequence[float], bare: Sequence[float], again: float) -> list[Figure]:
    """Return what was measured beside its peer."""
    statistic = f"median of {len(bare)}"
    peer = {"peer": KUBEADM, "peer_value": median(bare)}
    goal = f"at most {LIMIT} times bare kubeadm"
    return [
        figure(
            "ansible, prepared hosts",
            median(prepared),
            "seconds",
            PLAYBOOK,
            statistic=statistic,
            target=goal,
            limit=LIMIT,
            **peer,
        ),
        figure("ansible, bare hosts", first, "seconds", PLAYBOOK, **peer),
        figure("ansible, nothing to do", again, "seconds", PLAYBOOK, **peer),
    ]
