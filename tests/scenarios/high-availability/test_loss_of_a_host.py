"""One playbook run makes the cluster, and the loss of any one control plane loses no acknowledged write."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from tests.support.scenario_site import ScenarioSite, wait_for
from tests.support.traffic import NAMESPACE, ConfigMapWriter, Traffic

pytestmark = pytest.mark.full

CONVERGE = ("converge", "--without-platform-images")
BEFORE_SECONDS, AFTER_SECONDS = 5, 20
GAP_SECONDS = 30  # what a client may have to wait for its next write; the report asks for hours


def ready(stage: ScenarioSite) -> set[str]:
    """Return the names of the nodes that are Ready."""
    return {
        node["metadata"]["name"]
        for node in stage.objects("nodes")
        if any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])
    }


def holders(stage: ScenarioSite, among: list[str]) -> list[str]:
    """Return the hosts that carry the virtual address."""
    address = str(stage.site.virtual_address)
    return [name for name in among if f" {address}/" in stage.output_of(name, "ip -4 -oneline address")]


def answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=0.3):
            return True
    except OSError:
        return False


def test_one_run_of_the_playbook_makes_the_cluster(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    begin = time.monotonic()
    stage.must(*CONVERGE)
    figure("six bare hosts to Ready nodes", time.monotonic() - begin, "seconds", "portolan converge")
    assert ready(stage) == {*stage.control_planes, *stage.workers}


def test_the_second_run_changes_nothing(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    begin = time.monotonic()
    stage.must(*CONVERGE, "--expect-no-changes")
    figure("second run", time.monotonic() - begin, "seconds", "portolan converge --expect-no-changes")


def test_every_control_plane_is_a_member_and_one_carries_the_address(stage: ScenarioSite) -> None:
    first = stage.control_planes[0]
    members = stage.output_of(first, f"etcdctl {ETCD} member list")
    assert members.count("started") == 3
    assert members.count(", false") == 3  # none is a learner any more
    assert len(holders(stage, stage.control_planes)) == 1
    assert f"server: https://{stage.site.virtual_address}:8443" in stage.kubeconfig.read_text()


ETCD = (
    "--endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt "
    "--cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key"
)


@pytest.mark.parametrize("victim", ["control-1", "control-2", "control-3"])
def test_a_host_that_loses_its_power_takes_no_acknowledged_write_with_it(
    stage: ScenarioSite, figure: Callable[..., None], victim: str
) -> None:
    everybody = {*stage.control_planes, *stage.workers}
    wait_for("every node is Ready", lambda: ready(stage) == everybody)
    (holder,) = holders(stage, stage.control_planes)
    writer = ConfigMapWriter(stage.kubeconfig)
    stage.try_kubectl("create", "namespace", NAMESPACE)  # once for all three
    address = str(stage.site.virtual_address)

    with Traffic(writer) as writes:
        time.sleep(BEFORE_SECONDS)
        killed = time.monotonic()
        stage.must("sandbox", "down", "--host", victim, "--keep-disks")
        moved = wait_for("the address answers", lambda: answers(address, 8443) and time.monotonic(), 60, 0.05)
        time.sleep(AFTER_SECONDS)

    lost = {number for _, number in writes.succeeded} - wait_for("a read", writer.stored, 60)
    role = "with" if holder == victim else "without"
    figure(f"longest gap between writes, {victim} lost {role} the address", writes.longest_gap_seconds, "seconds")
    figure(f"acknowledged writes, {victim} lost", len(writes.succeeded), "writes")
    if holder == victim:
        figure("virtual address answers again", moved - killed, "seconds")
    assert lost == set(), f"acknowledged and gone: {sorted(lost)}"
    assert writes.longest_gap_seconds < GAP_SECONDS
    assert writes.succeeded[-1][0] > killed
    left = [name for name in stage.control_planes if name != victim]
    assert len(holders(stage, left)) == 1

    wait_for("the writes are cleared", lambda: writer.clear() or True, 60)
    stage.must("sandbox", "up")  # the power is back; nothing else is done to it
    wait_for("the host is back", lambda: ready(stage) == everybody)


def test_the_host_with_the_address_is_noticed_and_the_address_moves(
    stage: ScenarioSite, figure: Callable[..., None]
) -> None:
    (holder,) = holders(stage, stage.control_planes)
    address = str(stage.site.virtual_address)
    gone_seconds: list[float] = []

    def connect(number: int) -> None:
        with socket.create_connection((address, 8443), timeout=0.2):
            pass

    with Traffic(connect, pause_seconds=0.05) as calls:
        time.sleep(2)
        stage.must("sandbox", "down", "--host", holder, "--keep-disks")
        time.sleep(12)
    gone_seconds.append(calls.longest_gap_seconds)
    figure("virtual address moves: longest time without a connection", max(gone_seconds), "seconds")
    assert max(gone_seconds) < 10
    assert holders(stage, [name for name in stage.control_planes if name != holder]) != [holder]
    stage.must("sandbox", "up")
    wait_for("the host is back", lambda: len(ready(stage)) == 6)


def test_a_dead_host_is_replaced_by_one_run_of_the_playbook(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    """The first of the inventory, which started the cluster: nothing may hang on it."""
    stage.must("sandbox", "down", "--host", "control-1")
    stage.must("sandbox", "up")  # a new machine, empty, in the place of the old
    begin = time.monotonic()
    stage.must(*CONVERGE)
    figure("dead control-plane host replaced", time.monotonic() - begin, "seconds", "portolan converge")
    assert ready(stage) == {*stage.control_planes, *stage.workers}
    members = stage.output_of("control-1", f"etcdctl {ETCD} member list")
    assert members.count("started") == 3
    stage.must(*CONVERGE, "--expect-no-changes")


def test_a_dead_worker_is_replaced_as_well(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    stage.must("sandbox", "down", "--host", "worker-1")
    stage.must("sandbox", "up")
    begin = time.monotonic()
    stage.must(*CONVERGE)
    figure("dead worker replaced", time.monotonic() - begin, "seconds", "portolan converge")
    assert ready(stage) == {*stage.control_planes, *stage.workers}


# kubeadm writes its files within seconds and waits minutes for a kubelet that does not come: killed in between.
CUT_SECONDS = 30
HOLD = """
mkdir -p /run/systemd/system/kubelet.service.d
printf '[Unit]\\nConditionPathExists=/nowhere\\n' > /run/systemd/system/kubelet.service.d/cut.conf
systemctl daemon-reload
"""
RELEASE = "rm -f /run/systemd/system/kubelet.service.d/cut.conf; systemctl daemon-reload"
FORGET = """
rm -f /var/lib/portolan/control-plane/finished
kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
"""
# The cluster knows the learner before the host has a manifest of it: what a cut between the two leaves.
LEARN = """
etcdctl {etcd} member list | grep -F https://{address}:2380 ||
etcdctl {etcd} member add {name} --learner --peer-urls=https://{address}:2380
"""
INVITE = """
export KUBECONFIG=/etc/kubernetes/admin.conf
key=$(kubeadm init phase upload-certs --upload-certs --config /etc/kubernetes/portolan/kubeadm.yaml | tail -n 1)
echo "$(kubeadm token create --print-join-command) --control-plane --certificate-key $key"
"""


@pytest.mark.parametrize("known_to_the_store", [False, True], ids=["with-files-only", "waited-for-by-the-store"])
def test_a_control_plane_whose_join_was_cut_is_mended_by_the_next_run(
    stage: ScenarioSite, known_to_the_store: bool
) -> None:
    first, cut = stage.control_planes[0], stage.control_planes[-1]
    stage.output_of(cut, FORGET, 120)  # leaves the store by itself
    stage.kubectl("delete", "node", cut, "--ignore-not-found")
    join = stage.output_of(first, INVITE).strip()
    stage.output_of(cut, HOLD)
    try:
        more = f"--node-name {cut} --cri-socket unix:///run/containerd/containerd.sock --ignore-preflight-errors=all"
        stage.on(cut, f"timeout --signal=KILL {CUT_SECONDS} {join} {more}", CUT_SECONDS + 30)
        stage.output_of(cut, "test -e /etc/kubernetes/pki/ca.crt && ! test -e /etc/kubernetes/kubelet.conf")
    finally:
        stage.output_of(cut, RELEASE)
    if known_to_the_store:
        stage.output_of(first, LEARN.format(etcd=ETCD, name=cut, address=stage.addresses[cut].address))

    stage.must(*CONVERGE)
    assert ready(stage) == {*stage.control_planes, *stage.workers}
    members = stage.output_of(first, f"etcdctl {ETCD} member list")
    assert members.count("started") == members.count(", false") == 3
    stage.must(*CONVERGE, "--expect-no-changes")
