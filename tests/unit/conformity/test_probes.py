"""Tools on hosts: what is read from their outputs, what a worse output does to the verdict, and what no output does.

`outputs/README.md` says which outputs were recorded from a real run.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portolan.conformity import accelerators, disks, exposure, links, processor, storage
from portolan.conformity.check import Reading
from portolan.conformity.depth import Depth
from portolan.conformity.evidence import Evidence
from portolan.conformity.judge import judge
from portolan.conformity.probe import MISSING, RUN, Probe, ToolRun
from portolan.conformity.reach import Answer, HostUnreachableError
from portolan.conformity.registry import CHECKS, ROOMS
from portolan.conformity.verification import verify
from portolan.conformity.world import World
from portolan.sizing.plan import Target
from tests.unit.conformity.test_verification import PLAN

OUTPUTS = Path(__file__).parent / "outputs"
PROBES = {probe.name: probe for module in ROOMS for probe in vars(module).values() if isinstance(probe, Probe)}


def output(name):
    return (OUTPUTS / name).read_text(encoding="utf-8")


def run_of(probe, text, status=0, errors=""):
    return ToolRun(
        tool=probe.tool, version="1.0", argv=(probe.tool,), status=status, output=text, errors=errors, seconds=1.0
    )


def verdict(reading, operator, value, unit):
    target = Target(
        id="t", requirement="R", subject="host/h", check="host.x", operator=operator, value=value, unit=unit
    )
    evidence = Evidence(
        value=reading.value,
        unit=unit,
        method="m",
        host="h",
        time="2026-01-01T00:00:00Z",
        reason_not_measured=reading.reason_not_measured,
    )
    return judge(target, evidence).verdict


XID = "log-begins\nNVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\nlog-ends\n"
NFS = "nfs4 20000000000000 /srv/shared rw,relatime,vers=4.2,rsize=1048576\nmounts-end\n"
FAULT = "stress-ng: fail:  [12] cpu: fft error detected, failed modulo\n"
# Probe, key, good output, target, and how the output is made worse: (old text, new text).
FLIPS = {
    "architecture": (
        processor.PROCESSOR,
        "architecture",
        "lscpu.json",
        ("present", "present", ""),
        ("x86_64", "sparc"),
    ),
    "family": (processor.PROCESSOR, "family", "lscpu.json", ("present", "present", ""), ("AMD EPYC", "AMD Ryzen")),
    "vectors": (processor.PROCESSOR, "vectors", "lscpu.json", ("present", "present", ""), ("avx", "xxx")),
    "cache": (processor.PROCESSOR, "third-level-cache", "lscpu.json", (">=", 30e6, "bytes"), ("33554432", "3355443")),
    "memory-rate": (
        processor.STREAM,
        "rate",
        "stress-ng-stream.txt",
        (">=", 1e9, "bytes/s"),
        (r"rate: .* MB write/sec", "rate: 1.0 MB read/sec, 1.0 MB write/sec"),
    ),
    "faults": (processor.VERIFY, "faults", "stress-ng-cpu.txt", ("<=", 0.0, "errors"), (r"\A", FAULT)),
    "memory-kind": (processor.MODULES, "kind", "dmidecode.txt", ("present", "present", ""), ("DDR4", "DDR3")),
    "memory-speed": (processor.MODULES, "speed/ddr4", "dmidecode.txt", (">=", 2.933e9, "t"), ("2933 MT", "2400 MT")),
    "correction": (
        processor.MODULES,
        "correction",
        "dmidecode.txt",
        ("present", "present", ""),
        ("Multi-bit ECC", "None"),
    ),
    "memory-errors": (processor.ERRORS, "uncorrected", "=edac 0 3 2\n", ("<=", 0.0, "errors"), ("edac 0", "edac 1")),
    "read": (
        disks.SEQUENTIAL_READ,
        "rate",
        "fio-sequential-read.json",
        (">=", 1e6, "bytes/s"),
        (r'"bw_bytes" : \d+', '"bw_bytes" : 9'),
    ),
    "log": (
        disks.LOG,
        "durable/p99",
        "fio-log.json",
        ("<=", 0.01, "s"),
        (r'"99.000000" : \d+', '"99.000000" : 99000000'),
    ),
    "throughput": (
        links.THROUGHPUT,
        "throughput",
        "iperf3.json",
        (">=", 1e9, "bits/s"),
        (r'"bits_per_second":\s+[\d.e+]+', '"bits_per_second": 9'),
    ),
    "loss": (links.PING, "loss", "ping.txt", ("<=", 0.0, "ratio"), ("20 received", "19 received")),
    "trip": (links.PING, "trip", "ping.txt", ("<=", 0.001, "s"), ("0.052", "5.052")),
    "device-memory": (accelerators.FACTS, "memory", "nvidia-smi.csv", (">=", 8e9, "bytes"), ("81559", "4096")),
    "device-errors": (
        accelerators.FACTS,
        "uncorrected",
        "nvidia-smi.csv",
        ("<=", 0.0, "errors"),
        ("Enabled, 0", "Enabled, 2"),
    ),
    "throttled": (accelerators.AFTER, "throttled", "nvidia-smi.csv", ("<=", 0.0, "GPU"), ("Not Active", "Active")),
    "lanes": (accelerators.FACTS, "bus", "nvidia-smi.csv", ("present", "present", ""), ("16, 16", "8, 16")),
    "xids": (accelerators.XIDS, "xids", "=log-begins\nlog-ends\n", ("<=", 0.0, "errors"), (r"(?s)\A.*", XID)),
    "device-rate": (
        accelerators.FIGURES,
        "memory-rate",
        "accelerator.json",
        (">=", 3e11, "bytes/s"),
        ("3.1e12", "2.1e11"),
    ),
    "device-datasheet": (
        accelerators.FIGURES,
        "memory-of-datasheet",
        "accelerator.json",
        (">=", 0.9, "ratio"),
        ("3.1e12", "2.9e12"),
    ),
    "device-bf16": (
        accelerators.FIGURES,
        "bf16-of-datasheet",
        "accelerator.json",
        (">=", 0.75, "ratio"),
        ('"bf16": 8e14', '"bf16": 7e14'),
    ),
    "device-cores": (accelerators.FIGURES, "cores", "accelerator.json", (">=", 3500.0, "CUDA cores"), ("132", "13")),
    "nfs-version": (storage.MOUNTS, "version", f"={NFS}", (">=", 3.0, "NFS version"), ("vers=4.2", "vers=2")),
    "nfs-size": (storage.MOUNTS, "size", f"={NFS}", (">=", 10e12, "bytes"), ("20000000000000", "2000000000000")),
    "etcd": (exposure.ETCD, "fsync/p99", "etcd-metrics.txt", ("<=", 0.002, "s"), ('"0.002"} 6995', '"0.002"} 6905')),
    "ports": (
        exposure.PORTS,
        "strangers",
        "=tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n",
        ("<=", 0.0, "ports"),
        (":22 ", ":3306 "),
    ),
}


@pytest.mark.parametrize("name", FLIPS)
def test_a_figure_below_its_target_turns_the_verdict_to_fail(name):
    probe, key, source, (operator, value, unit), (old, new) = FLIPS[name]
    good = source[1:] if source.startswith("=") else output(source)
    worse = re.sub(old, new, good)
    assert worse != good
    assert verdict(probe.reading(run_of(probe, good), key), operator, value, unit) == "pass"
    assert verdict(probe.reading(run_of(probe, worse), key), operator, value, unit) == "fail"


@pytest.mark.parametrize("name", FLIPS)
def test_without_its_tool_nothing_passes(name):
    probe, key, _, (operator, value, unit), _ = FLIPS[name]
    reading = probe.reading(run_of(probe, "", MISSING), key)
    assert verdict(reading, operator, value, unit) == "not-measured"
    assert "is not installed" in reading.reason_not_measured


@pytest.mark.parametrize("name", FLIPS)
@given(text=st.one_of(st.text(max_size=200), st.sampled_from(["{}", "[]", "null", '{"lscpu": 3}', '{"jobs": []}'])))
def test_an_output_that_nobody_knows_never_passes(name, text):
    probe, key, _, (operator, value, unit), _ = FLIPS[name]
    assert verdict(probe.reading(run_of(probe, text), key), operator, value, unit) != "pass"


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
@pytest.mark.parametrize(
    ("status", "words"), [(75, "another measurement"), (74, "free space"), (124, "did not end"), (9, "status 9")]
)
def test_a_run_that_failed_says_why(probe, status, words):
    reading = probe.reading(run_of(probe, "", status, "it broke"), "anything")
    assert reading.value is None
    assert words in reading.reason_not_measured


def test_a_host_that_is_too_busy_for_a_rate_is_told_as_such():
    said = (
        "stress-ng: info: stream: run duration too short to determine memory rate\nsuccessful run completed in 5.32s\n"
    )
    reading = processor.STREAM.reading(run_of(processor.STREAM, said), "rate")
    assert reading.value is None
    assert "too busy" in reading.reason_not_measured


def test_virtual_disks_are_not_measured_and_turning_ones_fail():
    assert disks.read_devices(output("lsblk.json"))["nvme"].value is None
    turning = output("lsblk.json").replace('"tran": null', '"tran": "sata"').replace('"rota": false', '"rota": true')
    assert disks.read_devices(turning)["solid-state"].value is False
    solid = output("lsblk.json").replace('"tran": null', '"tran": "nvme"').replace('"rota": true', '"rota": false')
    assert disks.read_devices(solid)["nvme"].value is True


def test_the_rate_of_memory_agrees_with_the_operations_that_the_tool_counts():
    """Per element the kernels read 48 bytes for 4 operations: so MB means 2**20 where Mflop means 10**6."""
    pattern = r"rate: ([\d.]+) MB read/sec, [\d.]+ MB write/sec, ([\d.]+) Mflop/sec"
    read, flops = map(float, re.search(pattern, output("stress-ng-stream.txt")).groups())
    assert read * 2**20 == pytest.approx(12 * flops * 1e6, rel=1e-3)


@given(st.lists(st.floats(1e6, 1e12), min_size=2, max_size=6))
def test_the_worst_pair_is_no_better_than_any(values):
    readings = {f"{number} to x": Reading(value) for number, value in enumerate(values)}
    assert links.worst(readings, smallest=True).value == min(values)
    assert links.worst(readings, smallest=False).value == max(values)


def test_one_pair_that_could_not_be_measured_is_told():
    readings = {"a to b": Reading(9.0), "b to a": Reading(None, reason_not_measured="refused")}
    assert links.worst(readings, smallest=True).reason_not_measured == "b to a: refused"


@pytest.mark.parametrize("probe", [disks.SEQUENTIAL_WRITE, disks.RANDOM_WRITE, disks.LOG])
@pytest.mark.parametrize("depth", Depth)
def test_fio_writes_a_file_of_its_own_and_never_a_device(probe, depth):
    argv = probe.argv(depth, probe.seconds[depth])
    assert "--directory=." in argv
    assert not any(word.startswith("--filename") or "/dev/" in word for word in argv)
    assert probe.writes_bytes > 0


class LocalHost:
    """This machine in the place of a host: the same scripts, run by the same shell."""

    def __init__(self):
        self.address = SimpleNamespace(address="127.0.0.1")

    def shell(self, script, *arguments):
        done = subprocess.run(["sh", "-c", script, "sh", *arguments], capture_output=True, text=True, check=False)
        return Answer(status=done.returncode, output=done.stdout, errors=done.stderr)


@pytest.fixture
def here():
    return World(plan=PLAN, hosts={"here": LocalHost()}, kubeconfig=Path("/nonexistent"), endpoint="http://127.0.0.1:9")


def test_a_real_tool_gives_a_figure_and_keeps_its_output(here):
    reading = CHECKS["host.processor-architecture"].measure(here, "here", "value")
    assert reading.value is True
    assert "lscpu" in reading.tools
    assert CHECKS["host.processor-architecture"].reread(reading.raw, "value").value is True


def test_a_tool_that_is_not_there_is_not_measured(here):
    probe = Probe("none", "no-such-tool", lambda depth, seconds: ("no-such-tool",), lambda text: {})
    assert "no-such-tool is not installed" in probe.reading(probe.run(here, "here"), "x").reason_not_measured


def test_a_tool_that_does_not_end_is_stopped_and_leaves_nothing(here, monkeypatch):
    monkeypatch.setattr("portolan.conformity.probe.GRACE_SECONDS", 0)
    before = set(Path("/var/lib").glob("portolan-measure.*"))
    probe = Probe("slow", "sleep", lambda depth, seconds: ("sleep", "87"), lambda text: {})
    begin = time.monotonic()
    assert "did not end" in probe.reading(probe.run(here, "here"), "x").reason_not_measured
    assert time.monotonic() - begin < 10
    assert subprocess.run(["pgrep", "-f", "sleep 87"], capture_output=True, check=False).stdout == b""
    assert set(Path("/var/lib").glob("portolan-measure.*")) == before


def test_a_tool_ends_with_the_connection_that_it_was_asked_for_over():
    """The process that serves the connection dies; the tool below it ends, and its directory goes."""
    before = set(Path("/var/lib").glob("portolan-measure.*"))
    connection = subprocess.Popen(
        ["sh", "-c", 'sh -c "$@" & wait', "sh", RUN, "sh", "sleep", "60", "no", "0", "sleep", "86"]
    )
    running = ["pgrep", "-f", "sleep 86"]
    deadline = time.monotonic() + 10
    while not subprocess.run([*running, "-x"], capture_output=True, check=False).stdout and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(Path("/var/lib").glob("portolan-measure.*")) - before
    connection.kill()
    connection.wait()
    while subprocess.run(running, capture_output=True, check=False).stdout and time.monotonic() < deadline:
        time.sleep(0.1)
    assert subprocess.run(running, capture_output=True, check=False).stdout == b""
    assert set(Path("/var/lib").glob("portolan-measure.*")) == before


def test_two_measurements_at_once_on_a_host_do_not_measure_each_other(here):
    probe = Probe("held", "true", lambda depth, seconds: ("true",), lambda text: {"x": Reading(1.0)}, alone=True)
    with Path("/run/portolan-measure.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        reading = probe.reading(probe.run(here, "here"), "x")
    assert reading.value is None
    assert "another measurement" in reading.reason_not_measured


def test_too_little_room_is_not_written_to(here):
    probe = Probe("large", "true", lambda depth, seconds: ("true",), lambda text: {}, writes_bytes=1 << 60)
    assert "free space" in probe.reading(probe.run(here, "here"), "x").reason_not_measured


@pytest.mark.skipif(not shutil.which("fio"), reason="fio is not installed here")
def test_fio_by_the_check_leaves_no_file(here):
    before = set(Path("/var/lib").glob("portolan-measure.*"))
    reading = CHECKS["host.disk-durable-seconds"].measure(here, "here", "p99")
    assert 0 < reading.value < 10
    assert set(Path("/var/lib").glob("portolan-measure.*")) == before


def test_old_tls_counts_as_what_is_accepted():
    answers = {"a:1": {"1.0": "accepted", "1.3": "accepted"}, "b:1": {"1.0": "refused", "1.2": "accepted"}}
    assert exposure.oldest_accepted(answers).value == "1.0"
    assert verdict(exposure.oldest_accepted({"a:1": {"1.2": "refused"}}), ">=", "1.2", "version") == "fail"


def test_a_host_that_dies_while_a_tool_runs_gives_no_verdict(here):
    calls = []

    def shell(script, *arguments):
        calls.append(script)
        if len(calls) > 1:  # the version was told, then the connection broke
            raise HostUnreachableError("here (127.0.0.1): connection reset")
        return Answer(status=0, output="fio-3.33\n", errors="")

    here.hosts["here"].shell = shell
    wanted = Target(
        id="t", requirement="R", subject="host/here", check="host.disk-durable-seconds", operator="<=", value=9.0,
        unit="seconds", statistic="p99",
    )  # fmt: skip
    (judgement,) = verify(here, [wanted], CHECKS)
    assert judgement.verdict == "not-measured"
    assert "unreachable while it was measured" in judgement.explanation
