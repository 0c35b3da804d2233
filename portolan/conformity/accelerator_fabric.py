"""GPUs together: their links, NCCL's all-reduce over two, four, eight and over hosts, MIG, and DCGM's diagnostics.

Written for hosts that have them, after the tools' own documentation; `docs/reference/checks.md` says what was measured
where.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from portolan.conformity.accelerators import DEVICE
from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.depth import Depth, by_depth
from portolan.conformity.probe import Probe, UnreadableOutputError, document
from portolan.sites.schema import Pool

if TYPE_CHECKING:
    from portolan.conformity.world import World

COUNTS = {"two": 2, "four": 4, "eight": 8}
ALL_REDUCE_BYTES = "1G"
LEVELS = {Depth.QUICK: "1", Depth.STANDARD: "1", Depth.BURN_IN: "3"}
RESULTS = re.compile(r"pass|skip|warn|fail", re.IGNORECASE)
NO_LINKS = "the devices of this host have no links of their own between them (NVLink)"
# One all-reduce for each count of devices that the host has: "devices N", then what all_reduce_perf prints.
ALL_REDUCE = f"""
have=$(nvidia-smi --list-gpus | wc -l)
for count in 1 2 4 8; do
  [ "$count" -le "$have" ] || break
  echo "devices $count"
  all_reduce_perf -b {ALL_REDUCE_BYTES} -e {ALL_REDUCE_BYTES} -n 20 -w 5 -c 1 -g "$count" || exit 3
done
echo all-reduce-end
"""


def read_links(output: str) -> Mapping[str, Reading]:
    """Return how many links between devices are down, by `nvidia-smi nvlink --status`."""
    if "links-end" not in output:
        raise UnreadableOutputError("the list of links was not read to its end")
    states = re.findall(r"Link \d+: (.*)", output)
    if not states:
        return {"down": nothing(NO_LINKS)}
    known = [state for state in states if re.search(r"GB/s|inactive", state)]
    if len(known) < len(states):
        raise UnreadableOutputError(f"a link {next(state for state in states if state not in known)[:40]!r}")
    down = [state for state in states if "inactive" in state]
    return {"down": Reading(float(len(down)), detail=f"{len(states) - len(down)} of {len(states)} links are up")}


def read_partitions(output: str) -> Mapping[str, Reading]:
    """Return whether all devices are partitioned alike: MIG on all with an instance each, or on none."""
    if "partitions-end" not in output:
        raise UnreadableOutputError("the list of devices was not read to its end")
    modes = re.findall(r"^mode (.+)$", output, re.MULTILINE)
    if not modes:
        raise UnreadableOutputError("no device tells its mode")
    instances = len(re.findall(r"^\s*MIG ", output, re.MULTILINE))
    enabled = modes.count("Enabled")
    if enabled and enabled < len(modes):
        return {"alike": Reading(False, detail=f"MIG is on for {enabled} of {len(modes)} devices")}
    if enabled and instances < enabled:
        return {"alike": Reading(False, detail=f"MIG is on for {enabled} devices, which have {instances} instances")}
    return {"alike": Reading(True, detail=f"{instances} instances on {enabled} devices" if enabled else "no device is")}


def read_diagnostics(output: str) -> Mapping[str, Reading]:
    """Return how many of DCGM's tests failed, by `dcgmi diag --json`; each of its layouts has results with a status."""
    found = document(output[max(output.find("{"), 0) :])
    statuses = [(name, status) for name, status in _statuses(found, "") if RESULTS.fullmatch(status)]
    if not statuses:
        raise UnreadableOutputError("no test with a status")
    failed = [name for name, status in statuses if status.lower() == "fail"]
    ran = sum(status.lower() != "skip" for _, status in statuses)
    if not ran:
        return {"failed": nothing("DCGM skipped all of its tests")}
    return {"failed": Reading(float(len(failed)), detail=", ".join(failed[:3]) or f"{ran} results, none failed")}


def _statuses(value: object, name: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if isinstance(value, dict):
        own = str(value.get("name", name))
        if isinstance(value.get("status"), str):
            found.append((own, value["status"]))
        for part in value.values():
            found += _statuses(part, own)
    elif isinstance(value, list):
        for part in value:
            found += _statuses(part, name)
    return found


def bus_rate(text: str) -> Reading:
    """Return the mean bus bandwidth of one run of all_reduce_perf, which is already that of each device.

    Source of the normalisation: nccl-tests, doc/PERFORMANCE.md, bus bandwidth 2 (n - 1) / n of the algorithm's.
    """
    wrong = re.search(r"# Out of bounds values : (\d+)", text)
    mean = re.search(r"# Avg bus bandwidth\s*: ([\d.]+)", text)
    if mean is None or wrong is None:
        raise UnreadableOutputError("no mean bus bandwidth")
    if wrong.group(1) != "0":
        return nothing(f"{wrong.group(1)} results of the all-reduce were wrong")
    return Reading(float(mean.group(1)) * 1e9, detail=f"sums of {ALL_REDUCE_BYTES}iB")


def read_all_reduce(output: str) -> Mapping[str, Reading]:
    """Return the bus bandwidth a device by count of devices."""
    if "all-reduce-end" not in output:
        raise UnreadableOutputError("not every all-reduce ended")
    parts = re.split(r"^devices (\d+)$", output, flags=re.MULTILINE)[1:]
    found = {int(count): bus_rate(text) for count, text in zip(parts[::2], parts[1::2], strict=True)}
    if not found:
        raise UnreadableOutputError("no device")
    return {
        f"rate/{word}": found.get(count, nothing(f"the host has fewer than {count} devices"))
        for word, count in COUNTS.items()
    }


LINKS = Probe(
    "accelerator-links", "nvidia-smi",
    lambda depth, seconds: ("sh", "-c", "nvidia-smi nvlink --status && echo links-end"), read_links,
    package="nvidia-smi",
)  # fmt: skip
PARTITIONS = Probe(
    "accelerator-partitions", "nvidia-smi",
    lambda depth, seconds: (
        "sh", "-c",
        "nvidia-smi --query-gpu=mig.mode.current --format=csv,noheader | sed 's/^/mode /' && nvidia-smi --list-gpus && "
        "echo partitions-end",
    ),
    read_partitions,
    package="nvidia-smi",
)  # fmt: skip
DIAGNOSTICS = Probe(
    "accelerator-diagnostics", "dcgmi", lambda depth, seconds: ("dcgmi", "diag", "--run", LEVELS[depth], "--json"),
    read_diagnostics, seconds=by_depth(60, burn_in=1200), alone=True, package="datacenter-gpu-manager, NVIDIA's own",
    good_statuses=frozenset({0, 226}),  # 226: a test failed, and the document says which
)  # fmt: skip
ALL_REDUCES = Probe(
    "all-reduce", "all_reduce_perf", lambda depth, seconds: ("sh", "-c", ALL_REDUCE), read_all_reduce,
    seconds=by_depth(60), alone=True, package="nccl-tests, NVIDIA's own", version=("nvidia-smi", "--version"),
)  # fmt: skip
BETWEEN = Probe(
    "all-reduce-between", "all_reduce_perf", lambda depth, seconds: (), lambda output: {"rate": bus_rate(output)},
    seconds=by_depth(60), alone=True, package="nccl-tests, NVIDIA's own", version=("nvidia-smi", "--version"),
)  # fmt: skip


def between(world: World, subject: str, statistic: str) -> Reading:
    """Return the bus bandwidth a device of an all-reduce over all devices of all GPU hosts, started by mpirun."""
    hosts = [host for host in world.plan.hosts if host.pool is Pool.GPU]
    if any(world.simulated_accelerators(host.name) for host in hosts):
        return nothing("the hosts' accelerators are simulated: there is no device to measure")
    if len(hosts) < 2:
        return nothing(f"the site has {len(hosts)} GPU hosts; an all-reduce between hosts takes two")
    first, addresses = hosts[0].name, [world.host(host.name).address.address for host in hosts]
    counts = [world.host(host.name).shell("nvidia-smi --list-gpus | wc -l").output.strip() or "0" for host in hosts]
    slots = ",".join(f"{address}:{count}" for address, count in zip(addresses, counts, strict=True))
    argv = (
        "mpirun", "--allow-run-as-root", "--host", slots, "all_reduce_perf", "-b", ALL_REDUCE_BYTES, "-e",
        ALL_REDUCE_BYTES, "-n", "20", "-w", "5", "-c", "1", "-g", "1",
    )  # fmt: skip
    seconds = BETWEEN.seconds[world.depth]
    run = world.remember("all-reduce-between", lambda: BETWEEN.run_argv(world, first, argv, seconds, time.monotonic()))
    return BETWEEN.reading(run, "rate")


CHECKS = (
    LINKS.check("host.accelerator-links-down", "links between the host's devices that are down", "links", "down",
                device=DEVICE),
    PARTITIONS.check("host.accelerator-partitions-alike", "MIG is on for every device, with instances, or for none",
                     "yes/no", "alike", "inspected", device=DEVICE),
    DIAGNOSTICS.check("host.accelerator-diagnostics", "tests of DCGM that fail: level 1, at burn-in level 3", "tests",
                      "failed", device=DEVICE),
    ALL_REDUCES.check("host.accelerator-all-reduce", "bus bandwidth a device of an all-reduce, by count of devices",
                      "bytes/s", "rate", statistics=tuple(COUNTS), device=DEVICE),
    Check(
        "cluster.accelerator-all-reduce", "bus bandwidth a device of an all-reduce over the devices of all GPU hosts",
        "bytes/s", "mpirun all_reduce_perf", between, depth=Depth.STANDARD, ground="measured",
        needs=Needs(DEVICE, 2, ("all_reduce_perf", "mpirun"), alone=True, seconds=by_depth(60)),
        reread=lambda raw, statistic: BETWEEN.reread(raw, "rate"),
    ),
)  # fmt: skip
