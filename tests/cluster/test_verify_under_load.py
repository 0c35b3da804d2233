"""`portolan verify` with real tools on the running hosts: stopped, disturbed and forged, and never fooled."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from portolan.conformity.ledger import EVIDENCE
from portolan.conformity.links import SERVE
from portolan.conformity.reach import connections
from tests.support.sandbox import REPOSITORY, portolan

ONE = "host.disk-durable-seconds"
LEFT = "pgrep -a -f '^(fio|iperf3|stress-ng) ' ; ls -d /var/lib/portolan-measure.* 2>/dev/null"


def left_on_hosts(sandbox):
    """Return what measurements have left on the hosts: processes and directories."""
    with connections(tuple(sandbox.addresses.values())) as hosts:
        found = {name: host.shell(LEFT).output.strip() for name, host in hosts.items()}
    return {name: text for name, text in found.items() if text}


def within(seconds, done):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(0.5)
    return bool(done())


@pytest.fixture(scope="module")
def stopped(sandbox, tmp_path_factory):
    """A verification under load that Ctrl-C stopped while fio ran, and what a second one said meanwhile."""
    if any(not host.shell("command -v fio").output for host in _hosts(sandbox)):
        pytest.skip("the site's hosts stand without the tools: portolan converge SITE --tags acceptance_tools")
    folder = tmp_path_factory.mktemp("stopped")
    arguments = ["verify", str(sandbox.site_path), "--depth", "standard", "--only", ONE, "--evidence", str(folder)]
    first = subprocess.Popen(
        [sys.executable, "-c", "from portolan.cli import run; run()", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    try:
        runs = within(60, lambda: any("fio" in text for text in left_on_hosts(sandbox).values()))
        second = portolan(*arguments)
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=60)
    finally:
        first.kill()
    assert runs, said
    return folder, said, second, arguments


def _hosts(sandbox):
    with connections(tuple(sandbox.addresses.values())) as hosts:
        yield from hosts.values()


def test_a_second_run_under_load_is_refused_with_one_line(stopped):
    _, _, second, _ = stopped
    assert second.returncode == 2
    assert "another verification puts site" in second.stderr
    assert second.stdout == ""


def test_ctrl_c_leaves_nothing_running_on_the_hosts(sandbox, stopped):
    _, said, _, _ = stopped
    assert "--resume" in said
    assert within(30, lambda: not left_on_hosts(sandbox)), left_on_hosts(sandbox)


def test_it_goes_on_and_its_evidence_is_one_whole(sandbox, stopped):
    folder, _, _, arguments = stopped
    done = portolan(*arguments, "--resume", "-o", "json")
    assert done.returncode in (0, 1), done.stderr
    judgements = json.loads(done.stdout)["judgements"]
    assert judgements
    assert all(entry["evidence"]["value"] > 0 for entry in judgements), done.stdout
    again = portolan("verify", sandbox.site_path, "--only", ONE, "--from", folder, "-o", "json")
    assert again.returncode == done.returncode, again.stderr
    assert json.loads(again.stdout)["summary"] == json.loads(done.stdout)["summary"]


def test_edited_evidence_is_refused_with_its_line(sandbox, stopped):
    folder, *_ = stopped
    (kept,) = folder.iterdir()
    path = kept / EVIDENCE
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace('"verdict": "fail"', '"verdict": "pass"').replace("fio", "FIO", 1), encoding="utf-8")
    try:
        done = portolan("verify", sandbox.site_path, "--only", ONE, "--from", folder)
    finally:
        path.write_text(whole, encoding="utf-8")
    assert done.returncode == 2
    assert "evidence was edited" in done.stderr
    assert f"{EVIDENCE}:" in done.stderr


# A packet filter as the role of that name lays it, in a network of its own on the host: the host's own stays as it is.
FILTERED = """
ip link set lo up
nft -f - <<'END'
table inet portolan {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
  }
}
END
iperf3 --client 127.0.0.1 --port 5201 --time 1 --connect-timeout 500 >/dev/null 2>&1 && echo "open before"
sh -c "$SERVE" sh 127.0.0.1 10 5201 127.0.0.1 || echo "does not serve"
timeout 15 iperf3 --client 127.0.0.1 --port 5201 --time 1 --json | grep -q sum_received && echo measured
for step in 1 2 3 4 5 6 7 8 9 10; do nft list chain inet portolan input | grep -q 5201 || break; sleep 0.2; done
nft list chain inet portolan input | grep 5201
exit 0
"""


def test_a_packet_filter_is_opened_for_one_test_and_closed_again(sandbox):
    with connections(tuple(sandbox.addresses.values())) as hosts:
        host = hosts[sandbox.workers[0]]
        if not host.shell("command -v iperf3").output:
            pytest.skip("the site's hosts stand without the tools: portolan converge SITE --tags acceptance_tools")
        said = host.shell('SERVE=$1; export SERVE; unshare --net sh -c "$2"', SERVE, FILTERED)
    assert said.output.split() == ["measured"], said.output + said.errors
