"""From a target and a measurement to a verdict: one pure function, no input or output.

What was not measured never passes, and neither does what was measured on a simulated device.
"""

from __future__ import annotations

import math
import re
from functools import cache
from operator import eq, ge, le
from typing import TYPE_CHECKING

from portolan.conformity.evidence import Evidence, Judgement
from portolan.sizing.plan import Target, Verdict

if TYPE_CHECKING:
    import pint

Value = float | str | bool
_COMPARE = {">=": ge, "<=": le, "==": eq}
_WORDS = {">=": "at least", "<=": "at most", "==": "equal to"}
# Two floating-point readings of one quantity differ by rounding, never by a part in a thousand million.
_RELATIVE_TOLERANCE = 1e-9


def judge(target: Target, evidence: Evidence) -> Judgement:
    """Return the verdict on `target` that follows from `evidence`.

    >>> target = Target(id="CPU/w", requirement="CPU", subject="host/w", check="host.cpu-cores",
    ...                 operator=">=", value=8, unit="cores")
    >>> evidence = Evidence(value=4, unit="cores", method="nproc", host="w", time="2026-01-01T00:00:00Z")
    >>> judge(target, evidence).explanation
    '4 cores measured, at least 8 cores wanted'
    """
    verdict, explanation = _verdict(target, evidence)
    return Judgement(target=target, evidence=evidence, verdict=verdict, explanation=explanation)


def _verdict(target: Target, evidence: Evidence) -> tuple[Verdict, str]:
    measured = evidence.value
    if evidence.reason_not_measured:
        return "not-measured", evidence.reason_not_measured
    if measured is None or (isinstance(measured, float) and not math.isfinite(measured)):
        return "not-measured", "the check gave no value"
    if target.simulated or evidence.simulated:
        return "not-measured", f"simulated: {show(measured, evidence.unit)} here say nothing of hardware"
    if target.operator == "present":
        return _present(measured, evidence)
    if evidence.unit != target.unit and not isinstance(measured, str | bool):
        converted = _convert(measured, evidence.unit, target.unit)
        if converted is None:
            return "not-measured", f"measured in {evidence.unit}, wanted in {target.unit}: not comparable"
        measured = converted
    holds = _compare(target.operator, measured, target.value)
    if holds is None:
        return "not-measured", f"{measured!r} and {target.value!r} are not comparable"
    found, aim = show(measured, target.unit), show(target.value, target.unit)
    if found == aim and not holds:  # rounded, the two look alike
        found = f"{measured:.9g} {target.unit}" if isinstance(measured, float) else found
    return ("pass" if holds else "fail"), f"{found} measured, {_WORDS[target.operator]} {aim} wanted"


def _present(measured: Value, evidence: Evidence) -> tuple[Verdict, str]:
    there = bool(measured)
    shown = "" if isinstance(measured, bool) else f": {show(measured, evidence.unit)}"
    explanation = evidence.detail or (f"present{shown}" if there else "absent")
    return ("pass" if there else "fail"), explanation


def _compare(operator: str, measured: Value, wanted: float | str) -> bool | None:
    """Return whether the comparison holds; None where the two are not of one kind."""
    if isinstance(measured, bool):
        # A check that answers yes or no can only be compared with yes, no, 1 or 0.
        yes_or_no = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False}
        wished = yes_or_no.get(str(wanted).lower(), False if wanted == 0 else None)
        return None if wished is None or operator == "<=" else measured is wished
    if isinstance(measured, str) or isinstance(wanted, str):
        return _compare_words(operator, str(measured), str(wanted))
    if operator == "==":
        return math.isclose(measured, wanted, rel_tol=_RELATIVE_TOLERANCE)
    slack = abs(wanted) * _RELATIVE_TOLERANCE
    return bool(_COMPARE[operator](measured, wanted + slack if operator == "<=" else wanted - slack))


def _compare_words(operator: str, measured: str, wanted: str) -> bool | None:
    if operator == "==":
        return measured.strip().lower() == wanted.strip().lower()
    one, other = version(measured), version(wanted)
    if one is None or other is None:
        return None
    width = max(len(one), len(other))
    one, other = one + (0,) * (width - len(one)), other + (0,) * (width - len(other))
    return bool(_COMPARE[operator](one, other))


def version(text: str) -> tuple[int, ...] | None:
    """Return the numbers of a version; None where the text is none.

    >>> version("v1.36.3+portolan"), version("Debian")
    ((1, 36, 3), None)
    """
    found = re.fullmatch(r"v?(\d+(?:\.\d+)*)(?:[-+ ].*)?", text.strip())
    return tuple(int(part) for part in found.group(1).split(".")) if found else None


def _convert(value: float, unit: str, wanted: str) -> float | None:
    """Return `value` in the wanted unit, or None where the two units measure different things."""
    units = _units()
    try:
        return float(units.Quantity(value, unit).to(wanted).magnitude)
    except (AttributeError, TypeError, ValueError, AssertionError):  # pint's own errors are of these kinds
        return None


@cache
def _units() -> pint.UnitRegistry[float]:
    import pint  # slow to import, and only needed where a plan speaks another unit than the check

    return pint.UnitRegistry()


def show(value: Value, unit: str) -> str:
    """Return a value for people.

    >>> show(25769803776.0, "bytes"), show(0.01234, "seconds"), show(3.0, "nodes"), show("1.36.3", "version")
    ('24 GiB', '0.0123 seconds', '3 nodes', '1.36.3')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if unit in ("bytes", "byte"):
        for power, prefix in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
            if abs(value) >= 1024**power:
                return f"{value / 1024**power:.4g} {prefix}"
    if unit in ("bits/s", "bit/s"):
        for power, prefix in ((9, "Gbit/s"), (6, "Mbit/s")):
            if abs(value) >= 10**power:
                return f"{value / 10**power:.4g} {prefix}"
    number = f"{value:.0f}" if value == int(value) else f"{value:.3g}"
    return f"{number} {unit}".strip() if unit not in ("", "version") else number
