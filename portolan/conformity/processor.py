"""Facts about processors and memory modules, and what memory and cores do under load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.depth import Depth, by_depth
from portolan.conformity.probe import Probe, UnreadableOutputError, document

if TYPE_CHECKING:
    from portolan.conformity.world import World

# The ladder of vector extensions, least first: x86's by the kernel's flag, then ARM's.
VECTORS = ("avx", "avx2", "avx512f", "asimd", "sve", "sve2")
SERVER_FAMILIES = re.compile(r"\b(Xeon|EPYC)\b", re.IGNORECASE)
MEBIBYTE = 1 << 20  # what stress-ng calls MB: its MB/s and Mflop/s stand in the ratio 12 * 1e6 / 2**20
MEMORY_LINE = re.compile(r"stream: memory rate: ([\d.]+) MB read/sec, ([\d.]+) MB write/sec")


def read_processor(output: str) -> Mapping[str, Reading]:
    """Return what `lscpu --json --bytes` tells."""
    entries = document(output, "lscpu")["lscpu"]
    told = {entry["field"].rstrip(":"): str(entry["data"]) for entry in _flat(entries)}
    if "Architecture" not in told:
        raise UnreadableOutputError("no architecture")
    model = told.get("Model name", "unknown")
    topology = (
        f"{told.get('Socket(s)', '?')} x {told.get('Core(s) per socket', '?')} cores x "
        f"{told.get('Thread(s) per core', '?')} threads, {told.get('NUMA node(s)', '?')} NUMA nodes"
    )
    readings = {
        "architecture": Reading(
            told["Architecture"] in ("x86_64", "aarch64"), detail=f"{told['Architecture']}, {model}, {topology}"
        ),
        "family": Reading(SERVER_FAMILIES.search(model) is not None, detail=model),
    }
    threads = told.get("Thread(s) per core", "")
    readings["multithreading"] = (
        Reading(int(threads) > 1, detail=f"{threads} threads a core")
        if threads.isdigit()
        else nothing("lscpu tells no threads a core")
    )
    cache = re.fullmatch(r"(\d+)(?: \((\d+) instances?\))?", told.get("L3 cache", ""))
    readings["third-level-cache"] = (
        Reading(float(cache.group(1)), detail=f"{cache.group(2) or '1'} instances of it together")
        if cache
        else nothing("lscpu tells no third-level cache")
    )
    flags = told.get("Flags", "").split()
    vectors = [name for name in VECTORS if name in flags]
    readings["vectors"] = (
        Reading(bool(vectors), detail=", ".join(vectors) or "none of " + ", ".join(VECTORS))
        if flags
        else nothing("lscpu tells no flags")
    )
    return readings


def _flat(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return lscpu's entries without the nesting that newer versions give them."""
    flat: list[dict[str, Any]] = []
    for entry in entries:
        if entry.get("data") is not None:
            flat.append(entry)
        children = entry.get("children")
        if isinstance(children, list):
            flat.extend(_flat(children))
    return flat


def read_memory_rate(output: str) -> Mapping[str, Reading]:
    """Return bytes read and written in a second by all of stress-ng's stream workers together."""
    if "run duration too short" in output:
        return {"rate": nothing("the host was too busy: stress-ng's workers ran too little to tell their rate")}
    rates = [tuple(float(number) for number in found) for found in MEMORY_LINE.findall(output)]
    if not rates or "successful run completed" not in output:
        raise UnreadableOutputError("no rate of a run that was completed")
    total = sum(read + write for read, write in rates) * MEBIBYTE
    return {"rate": Reading(total, detail=f"{len(rates)} workers, read and written together")}


def read_modules(output: str) -> Mapping[str, Reading]:
    """Return kind, speed and error correction of the memory modules by `dmidecode --type memory`."""
    blocks = re.split(r"\n\s*\n", output)
    if "dmidecode" not in output:
        raise UnreadableOutputError("not dmidecode's output")
    modules = [_fields(block) for block in blocks if re.search(r"^Memory Device$", block, re.MULTILINE)]
    modules = [module for module in modules if re.match(r"\d+ [GMT]B", module.get("Size", ""))]
    arrays = [_fields(block) for block in blocks if re.search(r"^Physical Memory Array$", block, re.MULTILINE)]
    kinds = {module.get("Type", "Unknown") for module in modules}
    if not modules or kinds <= {"Unknown", "RAM", "Other"}:
        silent = nothing("the firmware names no memory module (a virtual machine's does not)")
        return {"kind": silent, "speed/ddr4": silent, "speed/ddr5": silent, "correction": silent}
    detail = f"{len(modules)} modules: {', '.join(sorted(kinds))}"
    readings = {"kind": Reading(kinds <= {"DDR4", "DDR5"}, detail=detail)}
    for kind in ("DDR4", "DDR5"):
        speeds = [_speed(module) for module in modules if module.get("Type") == kind]
        known = [speed for speed in speeds if speed]
        if not speeds:
            readings[f"speed/{kind.lower()}"] = nothing(f"the host has no {kind}: {detail}")
        elif len(known) < len(speeds):
            readings[f"speed/{kind.lower()}"] = nothing("a memory module does not tell its speed")
        else:
            readings[f"speed/{kind.lower()}"] = Reading(min(known), detail=detail)
    corrections = {array.get("Error Correction Type", "Unknown") for array in arrays} or {"Unknown"}
    readings["correction"] = (
        nothing("the firmware tells no error correction")
        if corrections & {"Unknown", "Other"}
        else Reading(all("ECC" in kind for kind in corrections), detail=", ".join(sorted(corrections)))
    )
    return readings


def _fields(block: str) -> dict[str, str]:
    return {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in block.splitlines()) if value
    }


def _speed(module: Mapping[str, str]) -> float:
    text = module.get("Configured Memory Speed", module.get("Speed", ""))
    found = re.match(r"(\d+) MT/s", text)
    return float(found.group(1)) * 1e6 if found else 0.0


# Prints "UNCORRECTED CORRECTED CONTROLLERS" of the kernel's error detection (EDAC).
ERRORS_PROGRAM = """
sum() { cat /sys/devices/system/edac/mc/mc*/"$1" 2>/dev/null | awk '{n += $1} END {print n + 0}'; }
echo "edac $(sum ue_count) $(sum ce_count) $(ls -d /sys/devices/system/edac/mc/mc[0-9]* 2>/dev/null | wc -l)"
"""


def read_memory_errors(output: str) -> Mapping[str, Reading]:
    """Return the uncorrected memory errors since boot."""
    found = re.fullmatch(r"edac (\d+) (\d+) (\d+)", output.strip())
    if found is None:
        raise UnreadableOutputError(f"no counters in {output.strip()[:60]!r}")
    uncorrected, corrected, controllers = (int(number) for number in found.groups())
    if controllers == 0:
        return {"uncorrected": nothing("the kernel knows no memory controller that counts errors (EDAC)")}
    return {"uncorrected": Reading(float(uncorrected), detail=f"{corrected} corrected, {controllers} controllers")}


PROCESSOR = Probe(
    "processor", "lscpu", lambda depth, seconds: ("lscpu", "--json", "--bytes"), read_processor, package="util-linux"
)
MODULES = Probe(
    "modules", "dmidecode", lambda depth, seconds: ("dmidecode", "--type", "memory"), read_modules,
    good_statuses=frozenset({0, 1}),
)  # fmt: skip
ERRORS = Probe("memory-errors", "awk", lambda depth, seconds: ("sh", "-c", ERRORS_PROGRAM), read_memory_errors,
               version=("uname", "-r"))  # fmt: skip
STREAM = Probe(
    "stream",
    "stress-ng",
    lambda depth, seconds: ("sh", "-c", f"stress-ng --stream 0 --timeout {seconds:.0f}s --metrics 2>&1"),
    read_memory_rate,
    seconds=by_depth(8, burn_in=120),
    alone=True,
)
VERIFY = Probe(
    "processor-burn-in",
    "stress-ng",
    lambda depth, seconds: ("sh", "-c", f"stress-ng --cpu 0 --cpu-method all --verify --timeout {seconds:.0f}s 2>&1"),
    lambda output: {"faults": read_faults(output)},
    seconds=by_depth(10, burn_in=600),
    alone=True,
    good_statuses=frozenset({0, 2}),
)


def read_faults(output: str) -> Reading:
    """Return how many results of stress-ng's verified computations were wrong."""
    wrong = len(re.findall(r"stress-ng: fail:", output))
    if wrong:
        return Reading(float(wrong), detail=re.findall(r"stress-ng: fail:\s*(.*)", output)[0][:120])
    if "successful run completed" not in output:
        raise UnreadableOutputError("no run that was completed")
    return Reading(0.0, detail=re.findall(r"successful run completed in (\S+)", output)[0])


def of_peers(own: float, all_hosts: list[float]) -> Reading:
    """Return a host's figure as a part of the median of all hosts.

    >>> of_peers(8.0, [10.0, 10.0, 8.0]).value
    0.8
    """
    from statistics import median

    if len(all_hosts) < 2:
        return nothing("a host alone has no peers to be compared with")
    middle = median(all_hosts)
    if middle <= 0:
        return nothing("the peers' median is nought")
    return Reading(own / middle, detail=f"median of {len(all_hosts)} hosts: {middle:.4g}")


def memory_rate_of_peers(world: World, subject: str, statistic: str) -> Reading:
    """Return a host's memory rate as a part of its peers' median; a straggler shows here."""
    runs = {name: STREAM.run(world, name) for name in world.hosts}
    readings = {name: STREAM.reading(run, "rate") for name, run in runs.items()}
    silent = {name: reading.reason_not_measured for name, reading in readings.items() if reading.value is None}
    if silent:
        name, reason = next(iter(silent.items()))
        return nothing(f"{name}: {reason}")
    return of_peers(
        float(readings[subject].value or 0.0), [float(reading.value or 0.0) for reading in readings.values()]
    )


CHECKS = (
    PROCESSOR.check(
        "host.processor-architecture",
        "the processor is of the x86 or ARM kind, with 64 bits; the detail tells the topology",
        "yes/no", "architecture", "inspected",
    ),
    PROCESSOR.check(
        "host.processor-family", "the processor is an Intel Xeon or an AMD EPYC", "yes/no", "family", "inspected"
    ),
    PROCESSOR.check(
        "host.simultaneous-multithreading", "a core shows more than one thread", "yes/no", "multithreading", "inspected"
    ),
    PROCESSOR.check(
        "host.third-level-cache-bytes", "third-level cache, all instances", "bytes", "third-level-cache", "inspected"
    ),
    PROCESSOR.check(
        "host.vector-extensions", "the processor has AVX or ARM's vector extensions", "yes/no", "vectors", "inspected"
    ),
    MODULES.check("host.memory-kind", "all memory modules are DDR4 or DDR5", "yes/no", "kind", "inspected"),
    MODULES.check(
        "host.memory-speed", "rate of the slowest module of a kind", "transfers/s", "speed", "inspected",
        statistics=("ddr4", "ddr5"),
    ),
    MODULES.check(
        "host.memory-error-correction", "the memory corrects errors (ECC)", "yes/no", "correction", "inspected"
    ),
    ERRORS.check(
        "host.memory-errors", "uncorrected memory errors since boot, by the kernel's EDAC", "errors", "uncorrected"
    ),
    STREAM.check("host.memory-rate", "bytes read and written in a second by all cores together", "bytes/s", "rate"),
    Check(
        "host.memory-rate-of-peers",
        "the host's memory rate as a part of its peers' median",
        "ratio",
        "stress-ng --stream 0 on every host",
        memory_rate_of_peers,
        depth=Depth.STANDARD,
        ground="measured",
        needs=Needs(hosts=2, tools=("stress-ng",), alone=True, seconds=by_depth(8, burn_in=120), shares="stream"),
    ),
    VERIFY.check(
        "host.processor-faults", "wrong results of verified computations on all cores", "errors", "faults",
        depth=Depth.BURN_IN,
    ),
)  # fmt: skip
