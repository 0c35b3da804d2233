"""How provisioning grows with the number of hosts: 1, 3 and 6, each beside bare kubeadm on the same hosts.

A node is added by the playbook limited to it and to the first control-plane host, after it was taken out of the cluster
and its host was made anew: the rest of the cluster is asked nothing. Bare kubeadm starts from prepared hosts, so it is
compared with the playbook on the same prepared hosts; what preparing costs on top stands beside it.
"""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.figures import Figure, figure, median
from benchmarks.provisioning import hosts
from benchmarks.provisioning.site import SITE, Bench, portolan, standing_hosts, timed
from portolan import paths
from portolan.output import people

SIZES = (1, 3, 6)
COMPARED = 3  # hosts at which the limit holds
LIMIT = 1.5
ADDITIONS = 3
SAME_COST = 0.15
ADD = "ansible-playbook site.yml --limit control-1,NEW"
COMMAND = "python -m benchmarks.provisioning --only scale"


def site_of(number: int) -> Path:
    """Write the benchmark's site with so many hosts, one of them the control plane, and return its path."""
    yaml = YAML()
    document = yaml.load(SITE.read_text(encoding="utf-8"))
    document["name"] = f"benchmark-{number}"
    workers = [{"name": f"worker-{one}", "role": "worker", "pool": "cpu"} for one in range(1, number)]
    document["hosts"]["nodes"] = [{"name": "control-1", "role": "control-plane"}, *workers]
    path = paths.build() / "benchmarks" / f"site-{number}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(document, stream)
    return path


def measure(keep: bool) -> list[Figure]:
    """Return the figures of each size, one site after another."""
    figures: list[Figure] = []
    added: dict[int, float] = {}
    for number in SIZES:
        people.print(f"{number} hosts", markup=False)
        with standing_hosts(keep, site_of(number)) as bench:
            figures += _of_size(bench, number)
            if number > 1:
                added[number] = median(_additions(bench, number))
                name, statistic = f"a node added at {number} hosts", f"median of {ADDITIONS}"
                figures.append(figure(name, added[number], "seconds", ADD, statistic=statistic))
    few, many = SIZES[-2], SIZES[-1]
    figures.append(
        figure(
            f"a node added at {many} hosts against {few}",
            abs(added[many] / added[few] - 1),
            "ratio",
            COMMAND,
            statistic="difference of medians",
            target=f"the same within {SAME_COST:.0%}",
            limit=SAME_COST,
        )
    )
    return figures


def _of_size(bench: Bench, number: int) -> list[Figure]:
    first = timed(f"{number} hosts: ansible, bare hosts", lambda: hosts.playbook(bench))
    hosts.reset(bench)
    bare = timed(f"{number} hosts: kubeadm, prepared hosts", lambda: hosts.bare_kubeadm(bench))
    hosts.reset(bench)
    prepared = timed(f"{number} hosts: ansible, prepared hosts", lambda: hosts.playbook(bench))
    again = timed(f"{number} hosts: ansible, nothing to do", lambda: hosts.playbook(bench))
    goal = {"target": f"at most {LIMIT} times bare kubeadm", "limit": LIMIT} if number == COMPARED else {}
    peer = {"peer": hosts.KUBEADM, "peer_value": bare}
    return [
        figure(f"{number} hosts: ansible, bare hosts", first, "seconds", hosts.PLAYBOOK, **peer),
        figure(f"{number} hosts: ansible, bare hosts, a host", first / number, "seconds", hosts.PLAYBOOK),
        figure(f"{number} hosts: ansible, prepared hosts", prepared, "seconds", hosts.PLAYBOOK, **peer, **goal),
        figure(f"{number} hosts: ansible, nothing to do", again, "seconds", hosts.PLAYBOOK),
    ]


def _additions(bench: Bench, number: int) -> list[float]:
    """Return the seconds of adding the last host to the others, a few times."""
    last, found = bench.workers[-1], []
    for turn in range(ADDITIONS):
        bench.kubectl("delete", "node", last)
        portolan("sandbox", "down", str(bench.site_path), "--host", last)
        portolan("sandbox", "up", str(bench.site_path))
        what = f"{number} hosts: {last} added, {turn + 1} of {ADDITIONS}"
        found.append(timed(what, lambda: hosts.playbook(bench, "--limit", f"{bench.control_plane},{last}")))
    return found
