"""Disks by fio, in a file of its own in a directory of its own; a device is never opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from portolan.conformity.check import Reading, nothing
from portolan.conformity.depth import Depth, by_depth
from portolan.conformity.probe import Probe, UnreadableOutputError, document

MEBIBYTE = 1 << 20
FILE_BYTES = 512 * MEBIBYTE
LOG_BYTES = 22 * MEBIBYTE
# etcd's write-ahead log: small appends, each made durable. Size of a write: etcd's own mean of 2.3 kB.
LOG_WRITE_BYTES = 2300
PERCENTILES = {"p50": "50.000000", "p95": "95.000000", "p99": "99.000000"}
NANOSECONDS = 1e9


def job(output: str) -> dict[str, Any]:
    """Return fio's one job.

    Raises UnreadableOutputError where there is none, or where it ended with an error.
    """
    # A line of warning may stand before the document.
    found = document(output[max(output.find("{"), 0) :], "fio version", "jobs")
    jobs = found["jobs"]
    if len(jobs) != 1:
        raise UnreadableOutputError(f"{len(jobs)} jobs")
    if jobs[0]["error"]:
        raise UnreadableOutputError(f"the job ended with error {jobs[0]['error']}")
    one: dict[str, Any] = jobs[0]
    return one


def read_transfer(direction: str) -> Callable[[str], Mapping[str, Reading]]:
    """Return the reader of a job's bytes and operations a second in one direction."""

    def read(output: str) -> Mapping[str, Reading]:
        side = job(output)[direction]
        if not side["io_bytes"] or not side["runtime"]:
            raise UnreadableOutputError(f"the job has moved nothing ({direction})")
        detail = f"{side['io_bytes'] / MEBIBYTE:.0f} MiB in {side['runtime'] / 1000:.1f} s"
        return {"rate": Reading(float(side["bw_bytes"]), detail), "operations": Reading(float(side["iops"]), detail)}

    return read


def read_log(output: str) -> Mapping[str, Reading]:
    """Return how long it takes to make a small append durable."""
    latency = job(output)["sync"]["lat_ns"]
    if latency["N"] < 100:
        return {
            f"durable/{statistic}": nothing(f"{latency['N']} writes are too few for a percentile")
            for statistic in PERCENTILES
        }
    detail = f"{latency['N']} appends of {LOG_WRITE_BYTES} bytes"
    readings = {
        f"durable/{statistic}": Reading(latency["percentile"][key] / NANOSECONDS, detail)
        for statistic, key in PERCENTILES.items()
    }
    return readings | {"durable/max": Reading(latency["max"] / NANOSECONDS, detail)}


def _transfer(name: str, pattern: str, block: str, at_once: int) -> Probe:
    def argv(depth: Depth, seconds: float) -> tuple[str, ...]:
        return (
            "fio", f"--name={name}", "--directory=.", f"--size={FILE_BYTES}", f"--rw={pattern}", f"--bs={block}",
            "--ioengine=libaio", "--direct=1", f"--iodepth={at_once}", f"--runtime={seconds:.0f}", "--time_based",
            "--output-format=json",
        )  # fmt: skip

    return Probe(
        name,
        "fio",
        argv,
        read_transfer("read" if "read" in pattern else "write"),
        # The file is laid out before the clock starts: at a hundred megabytes a second that takes five seconds.
        seconds=by_depth(5, burn_in=300),
        alone=True,
        writes_bytes=FILE_BYTES,
    )


def _log_argv(depth: Depth, seconds: float) -> tuple[str, ...]:
    lasting = (f"--runtime={seconds:.0f}", "--time_based") if depth is Depth.BURN_IN else (f"--runtime={seconds:.0f}",)
    return (
        "fio", "--name=log", "--directory=.", f"--size={LOG_BYTES}", "--rw=write", f"--bs={LOG_WRITE_BYTES}",
        "--ioengine=sync", "--fdatasync=1", *lasting, "--output-format=json",
    )  # fmt: skip


SEQUENTIAL_READ = _transfer("sequential-read", "read", "1m", 16)
SEQUENTIAL_WRITE = _transfer("sequential-write", "write", "1m", 16)
RANDOM_READ = _transfer("random-read", "randread", "4k", 32)
RANDOM_WRITE = _transfer("random-write", "randwrite", "4k", 32)
LOG = Probe(
    "log", "fio", _log_argv, read_log, seconds=by_depth(10, burn_in=120), alone=True, writes_bytes=LOG_BYTES
)  # fmt: skip


def read_devices(output: str) -> Mapping[str, Reading]:
    """Return whether the disks turn, and whether they are NVMe, by `lsblk --json`."""
    disks = [
        device
        for device in document(output, "blockdevices")["blockdevices"]
        if device["type"] == "disk" and int(device["size"] or 0) > 0 and not device["name"].startswith(("zram", "ram"))
    ]
    if not disks:
        silent = nothing("the host shows no disk of its own")
        return {"solid-state": silent, "nvme": silent}
    detail = ", ".join(f"{disk['name']} {disk['tran'] or 'virtual'}" for disk in disks)
    if all(disk["tran"] is None for disk in disks):
        virtual = nothing(f"the disks are virtual, and what they claim of themselves is not a device's: {detail}")
        return {"solid-state": virtual, "nvme": virtual}
    return {
        "solid-state": Reading(not any(disk["rota"] for disk in disks), detail),
        "nvme": Reading(any(disk["tran"] == "nvme" for disk in disks), detail),
    }


DEVICES = Probe(
    "devices",
    "lsblk",
    lambda depth, seconds: ("lsblk", "--json", "--bytes", "--nodeps", "--output", "NAME,TYPE,ROTA,TRAN,SIZE"),
    read_devices,
    package="util-linux",
)


CHECKS = (
    DEVICES.check("host.disk-solid-state", "no disk of the host turns", "yes/no", "solid-state", "inspected"),
    DEVICES.check("host.disk-nvme", "a disk of the host is NVMe", "yes/no", "nvme", "inspected"),
    SEQUENTIAL_READ.check("host.disk-sequential-read", "blocks of 1 MiB, 16 at once", "bytes/s", "rate"),
    SEQUENTIAL_WRITE.check("host.disk-sequential-write", "blocks of 1 MiB, 16 at once", "bytes/s", "rate"),
    RANDOM_READ.check("host.disk-random-read", "blocks of 4 KiB, 32 at once", "operations/s", "operations"),
    RANDOM_WRITE.check("host.disk-random-write", "blocks of 4 KiB, 32 at once", "operations/s", "operations"),
    LOG.check(
        "host.disk-durable-seconds",
        f"time until an append of {LOG_WRITE_BYTES} bytes, as etcd makes them, is durable (fdatasync)",
        "seconds",
        "durable",
        statistics=(*PERCENTILES, "max"),
    ),
)
