"""Why a number is what it is, in the reader's words."""

from __future__ import annotations

from typing import Final

from portolan.report.case import Case
from portolan.sizing.plan import Quantity, Reason
from portolan.sizing.reasons import FORMULAS

# Units of formulas' inputs whose number alone nobody reads.
UNITS: Final = {
    "bytes_per_request": "bytes",
    "bytes_per_second": "bytes/s",
    "cache_bytes": "bytes",
    "gpu_bytes": "bytes",
    "gradient_bytes": "bytes",
    "image_bytes": "bytes",
    "ingest": "bits/s",
    "kept": "bytes",
    "lake": "bytes",
    "latency_seconds": "seconds",
    "memory_bytes": "bytes",
    "object_store": "bytes",
    "seconds": "seconds",
    "seconds_per_item": "seconds",
    "service_seconds": "seconds",
    "stored": "bytes",
    "wait_seconds": "seconds",
    "watts": "W",
}
SHARES: Final = frozenset({"active", "availability", "growth", "host_availability", "share", "share_on_site"})
READABLE: Final = 1e6  # from here on a number of bytes is written with its unit


def why(case: Case, quantity: Quantity) -> str:
    """Return what sets a quantity: a line of the report, a formula with its inputs, or a source."""
    reason = quantity.reasons[0]
    if reason.requirement and not reason.formula:
        row = case.requirements.get(reason.requirement)
        return case.say("trace.required", section=row.section, text=case.tongue.pick(row.text))
    if reason.formula == "demand.product":
        return " \u00d7 ".join(_factor(case, value, quantity.unit) for value in reason.inputs.values())
    if reason.formula in FORMULAS:
        return case.say(
            "trace.formula",
            expression=case.tongue.expression(FORMULAS[reason.formula].expression),
            inputs=_inputs(case, reason),
        )
    return case.tongue.expression(reason.source)


def _factor(case: Case, value: float, unit: str) -> str:
    if unit == "bytes" and value >= READABLE:
        return case.tongue.quantity(value, unit)
    return case.tongue.number(float(f"{value:.4g}"))


def _inputs(case: Case, reason: Reason) -> str:
    separator = "\u202f; " if case.tongue.language == "fr" else "; "
    return separator.join(
        f"{case.name('variable', name)} = {_input(case, name, value)}" for name, value in reason.inputs.items()
    )


def _input(case: Case, name: str, value: float) -> str:
    if name in UNITS:
        return case.tongue.quantity(value, UNITS[name])
    if name in SHARES:
        return case.tongue.percent(value, 1 if name == "availability" else 0)
    return case.tongue.number(value if value >= 1000 else float(f"{value:.4g}"))
