"""GPUs: facts and error counters by nvidia-smi, Xid errors by the kernel's log, figures by a program on the device.

Written for hosts that have one. A host without a device gives no figure, and a simulated device never does.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from portolan.conformity.check import Reading, nothing
from portolan.conformity.depth import by_depth
from portolan.conformity.probe import ACCELERATOR, Probe, UnreadableOutputError, document
from portolan.model import Model

DEVICE = ACCELERATOR
MEBIBYTE = 1 << 20
PROGRAM = Path(__file__).parent / "programs" / "accelerator.py"
DATASHEETS = Path(__file__).parent / "devices.yaml"
FIELDS = (
    "name",
    "uuid",
    "memory.total",
    "compute_cap",
    "ecc.mode.current",
    "ecc.errors.uncorrected.volatile.total",
    "clocks_throttle_reasons.hw_slowdown",
    "clocks_throttle_reasons.hw_thermal_slowdown",
    "pcie.link.gen.current",
    "pcie.link.gen.max",
    "pcie.link.width.current",
    "pcie.link.width.max",
)
# Single-precision cores of one multiprocessor, by compute capability. Source: CUDA C++ Programming Guide, "Compute
# Capabilities", Technical Specifications and arithmetic throughput table.
CORES_PER_MULTIPROCESSOR = {
    "7.0": 64, "7.5": 64, "8.0": 64, "8.6": 128, "8.7": 128, "8.9": 128, "9.0": 128, "10.0": 128, "12.0": 128,
}  # fmt: skip
PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16")


class Datasheet(Model):
    """What a device's maker says of it."""

    name: str
    memory_gigabytes_per_second: float
    bf16_teraflops: float
    source: str


@cache
def datasheets() -> Mapping[str, Datasheet]:
    """Return the datasheets by the name that the driver gives a device."""
    from ruamel.yaml import YAML

    rows = YAML(typ="safe").load(DATASHEETS.read_text(encoding="utf-8"))
    return {sheet.name: sheet for sheet in (Datasheet.model_validate(row) for row in rows)}


def read_facts(output: str) -> Mapping[str, Reading]:
    """Return memory, ECC errors and throttling of all devices, by `nvidia-smi --query-gpu=FIELDS --format=csv`."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(output.splitlines()) if row]
    if not rows or any(len(row) != len(FIELDS) for row in rows):
        raise UnreadableOutputError(f"{len(FIELDS)} fields a device were asked for, {output.strip()[:60]!r} came")
    devices = [dict(zip(FIELDS, row, strict=True)) for row in rows]
    memory = [_number(device["memory.total"]) * MEBIBYTE for device in devices]
    names = ", ".join(sorted({device["name"] for device in devices}))
    return {
        "memory": Reading(min(memory), detail=names),
        "memory-total": Reading(sum(memory), detail=f"{len(devices)} devices: {names}"),
        "uncorrected": _uncorrected(devices),
        "throttled": _throttled(devices),
        "bus": _bus(devices),
    }


def _number(text: str) -> float:
    found = re.match(r"[\d.]+", text)
    if found is None:
        raise UnreadableOutputError(f"no number in {text!r}")
    return float(found.group())


def _uncorrected(devices: Sequence[Mapping[str, str]]) -> Reading:
    off = [device["name"] for device in devices if device["ecc.mode.current"] != "Enabled"]
    if off:
        return nothing(f"{len(off)} of {len(devices)} devices do not correct errors (ECC is off or not there)")
    counts = [_number(device["ecc.errors.uncorrected.volatile.total"]) for device in devices]
    return Reading(sum(counts), detail=f"{len(devices)} devices since the driver was loaded")


def _throttled(devices: Sequence[Mapping[str, str]]) -> Reading:
    keys = ("clocks_throttle_reasons.hw_slowdown", "clocks_throttle_reasons.hw_thermal_slowdown")
    words = {device[key] for device in devices for key in keys}
    if not words <= {"Active", "Not Active"}:
        return nothing(f"the driver does not tell whether clocks are held back: {', '.join(sorted(words))}")
    count = sum(any(device[key] == "Active" for key in keys) for device in devices)
    return Reading(float(count), detail=f"{count} of {len(devices)} devices are slowed down by their hardware")


def _bus(devices: Sequence[Mapping[str, str]]) -> Reading:
    """A link that runs with fewer lanes than both sides have is a fault; its generation falls when it is idle."""
    narrow = [d for d in devices if _number(d["pcie.link.width.current"]) < _number(d["pcie.link.width.max"])]
    widths = ", ".join(f"x{d['pcie.link.width.current']} of x{d['pcie.link.width.max']}" for d in devices)
    return Reading(not narrow, detail=widths)


def read_xids(output: str) -> Mapping[str, Reading]:
    """Return how many Xid errors the kernel's log holds."""
    if "log-begins" not in output or "log-ends" not in output:
        raise UnreadableOutputError("the kernel's log was not read to its end")
    found = re.findall(r"NVRM: Xid \(([^)]*)\): (\d+)", output)
    numbers = ", ".join(sorted({number for _, number in found}, key=int))
    return {"xids": Reading(float(len(found)), detail=f"Xid {numbers}" if found else "none in the kernel's log")}


def read_figures(output: str) -> Mapping[str, Reading]:
    """Return what the program measured; of several devices the slowest counts."""
    found = document(output, "devices", "torch")["devices"]
    if not found:
        raise UnreadableOutputError("no device")
    note = f"{len(found)} x {found[0]['name']}"
    readings = {
        key: Reading(min(float(device[name]) for device in found), detail=note)
        for key, name in (
            ("memory-rate", "memory_bytes_per_second"),
            ("bus-rate/to-device", "to_device_bytes_per_second"),
            ("bus-rate/to-host", "to_host_bytes_per_second"),
        )
    }
    for precision in PRECISIONS:
        speeds = [device["operations_per_second"].get(precision) for device in found]
        readings[f"products/{precision}"] = (
            nothing(f"the device has no {precision}") if None in speeds else Reading(min(map(float, speeds)), note)
        )
    return readings | _of_datasheet(found) | {"cores": _cores(found)}


def _of_datasheet(found: Sequence[Mapping[str, object]]) -> dict[str, Reading]:
    sheets = datasheets()
    unknown = sorted({str(device["name"]) for device in found} - set(sheets))
    if unknown:
        silent = nothing(f"no datasheet of {', '.join(unknown)} is recorded (devices.yaml)")
        return {"memory-of-datasheet": silent, "bf16-of-datasheet": silent}
    memory, products = [], []
    for device in found:
        sheet, speeds = sheets[str(device["name"])], device["operations_per_second"]
        assert isinstance(speeds, dict)
        memory.append(float(str(device["memory_bytes_per_second"])) / (sheet.memory_gigabytes_per_second * 1e9))
        products.append(float(speeds.get("bf16", 0.0)) / (sheet.bf16_teraflops * 1e12))
    source = ", ".join(sorted({sheets[str(device["name"])].source for device in found}))
    return {"memory-of-datasheet": Reading(min(memory), source), "bf16-of-datasheet": Reading(min(products), source)}


def _cores(found: Sequence[Mapping[str, object]]) -> Reading:
    counts = []
    for device in found:
        capability = str(device["compute_capability"])
        if capability not in CORES_PER_MULTIPROCESSOR:
            return nothing(f"how many cores a multiprocessor of compute capability {capability} has is not recorded")
        counts.append(float(str(device["multiprocessors"])) * CORES_PER_MULTIPROCESSOR[capability])
    return Reading(min(counts), detail=f"{found[0]['multiprocessors']} multiprocessors")


FACTS = Probe(
    "accelerator-facts",
    "nvidia-smi",
    lambda depth, seconds: ("nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"),
    read_facts,
    package="nvidia-smi",
)
XIDS = Probe(
    "accelerator-xids",
    "nvidia-smi",
    lambda depth, seconds: ("sh", "-c", "echo log-begins && dmesg | { grep -F 'NVRM: Xid' || true; } && echo log-ends"),
    read_xids,
    package="nvidia-smi",
)
# The same question once more, after the figures: what the hardware slowed down under their load shows here.
AFTER = Probe("accelerator-after", "nvidia-smi", FACTS.argv, read_facts, package="nvidia-smi", alone=True)
FIGURES = Probe(
    "accelerator-figures",
    "nvidia-smi",
    lambda depth, seconds: ("python3", "-c", PROGRAM.read_text(encoding="utf-8"), f"{seconds * 0.6:.0f}"),
    read_figures,
    seconds=by_depth(60, burn_in=1800),
    alone=True,
    package="nvidia-smi",
)


CHECKS = (
    FACTS.check(
        "host.accelerator-memory-bytes", "memory of the smallest device", "bytes", "memory", "inspected", device=DEVICE
    ),
    FACTS.check(
        "host.accelerator-memory-total-bytes", "memory of all devices together", "bytes", "memory-total", "inspected",
        device=DEVICE,
    ),
    FACTS.check(
        "host.accelerator-memory-errors", "uncorrected memory errors (ECC) of all devices", "errors", "uncorrected",
        device=DEVICE,
    ),
    AFTER.check(
        "host.accelerators-throttled", "devices that their hardware slows down", "GPU", "throttled", device=DEVICE
    ),
    FACTS.check(
        "host.accelerator-bus-width", "each device's PCIe link uses all its lanes", "yes/no", "bus", "inspected",
        device=DEVICE,
    ),
    XIDS.check("host.accelerator-xid-errors", "Xid errors in the kernel's log", "errors", "xids", device=DEVICE),
    FIGURES.check(
        "host.accelerator-cuda-cores", "single-precision cores of the smallest device", "CUDA cores", "cores",
        "inspected", device=DEVICE,
    ),
    FIGURES.check(
        "host.accelerator-memory-rate", "bytes read and written in a second by a copy within the device's memory",
        "bytes/s", "memory-rate", device=DEVICE,
    ),
    FIGURES.check(
        "host.accelerator-memory-of-datasheet", "the same as a part of the maker's figure", "ratio",
        "memory-of-datasheet", device=DEVICE,
    ),
    FIGURES.check(
        "host.accelerator-bus-rate", "bytes a second between pinned memory and the device", "bytes/s", "bus-rate",
        statistics=("to-device", "to-host"), device=DEVICE,
    ),
    FIGURES.check(
        "host.accelerator-products", "floating-point operations a second of a matrix product, by precision",
        "operations/s", "products", statistics=PRECISIONS, device=DEVICE,
    ),
    FIGURES.check(
        "host.accelerator-bf16-of-datasheet", "the BF16 product as a part of the maker's dense figure", "ratio",
        "bf16-of-datasheet", device=DEVICE,
    ),
)  # fmt: skip
