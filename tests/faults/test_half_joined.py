"""A worker's join is cut after kubelet's bootstrap files were written: the next `portolan converge` mends it."""

from __future__ import annotations

import shlex

import pytest

from portolan.conformity.reach import connections, host_addresses
from tests.faults.test_predictor import wait_for
from tests.faults.test_worker import ready
from tests.support.sandbox import portolan

MENDED_SECONDS = 600
READY_SECONDS = 120
# kubeadm writes the files within seconds, and waits minutes for a kubelet that does not come: killed in between.
CUT_SECONDS = 20
ADMIN = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
SOCKET = "--cri-socket unix:///run/containerd/containerd.sock"
FOLDER = "/run/systemd/system/kubelet.service.d"
HOLD = f"mkdir -p {FOLDER} && printf '[Unit]\\nConditionPathExists=/nowhere\\n' > {FOLDER}/cut.conf"
RELEASE = f"rm -f {FOLDER}/cut.conf && systemctl daemon-reload"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_worker_whose_join_was_cut_is_mended_by_the_next_converge(sandbox):
    worker = sandbox.workers[-1]
    with connections(host_addresses(sandbox.site_path)) as hosts:

        def on(host, script):
            done = hosts[host].shell(script)
            assert done.status == 0, f"{done.output}{done.errors}"
            return done.output

        on(sandbox.control_plane, f"{ADMIN} delete node {worker}")
        on(worker, f"kubeadm reset --force {SOCKET}")
        join = shlex.split(
            on(sandbox.control_plane, "KUBECONFIG=/etc/kubernetes/admin.conf kubeadm token create --print-join-command")
        )
        on(worker, f"{HOLD} && systemctl daemon-reload")
        try:
            cut = f"timeout --signal=KILL {CUT_SECONDS} {shlex.join(join)} --node-name {worker} {SOCKET}"
            hosts[worker].shell(f"{cut} --ignore-preflight-errors=all")
            on(worker, "test -e /etc/kubernetes/bootstrap-kubelet.conf && ! test -e /etc/kubernetes/kubelet.conf")
        finally:
            on(worker, RELEASE)
    assert worker not in {node.metadata.name for node in sandbox.core.list_node().items}

    done = portolan("converge", sandbox.site_path, timeout_seconds=MENDED_SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    wait_for(lambda: ready(sandbox, worker), READY_SECONDS)
    again = portolan("converge", sandbox.site_path, "--expect-no-changes", timeout_seconds=MENDED_SECONDS)
    assert again.returncode == 0, again.stderr[-3000:]
