"""The targets of acceptance: what is measured beyond the plan's own targets, from `acceptance.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from portolan.conformity.depth import Depth
from portolan.errors import PortolanError
from portolan.model import Model
from portolan.requirements.schema import Requirement, Requirements
from portolan.requirements.units import in_base_units
from portolan.sites.schema import HostRole, Pool
from portolan.sizing.plan import Operator, Plan, Target

FILE = Path(__file__).with_name("acceptance.yaml")
UNANSWERED = Path(__file__).with_name("unanswered.yaml")
ENDPOINT = "endpoint/risk-scoring"


class Floor(Model):
    """One line of the file: which check answers a requirement, and the number that it must reach."""

    requirement: str
    check: str
    subject: Literal["host", "control-plane", "worker", "gpu-worker", "cluster", "platform", "endpoint"]
    operator: Operator | None = None  # None: the requirement's own
    value: float | str | None = None
    unit: str = ""
    statistic: str = "value"
    depth: Depth = Depth.STANDARD
    hardware: bool = False
    where_present: bool = False  # what the row does not ask for: not measured, it does not leave the row open
    conditions: str = ""  # size, load and fabric with which the number holds
    source: str = ""  # where the number comes from; empty: the report itself


@cache
def load_floors(path: Path = FILE) -> tuple[Floor, ...]:
    """Return the lines of the file.

    Raises PortolanError that names the line's requirement where one does not fit.
    """
    from ruamel.yaml import YAML

    floors = []
    for number, entry in enumerate(YAML(typ="safe").load(path.read_text(encoding="utf-8")), start=1):
        try:
            floors.append(Floor.model_validate(entry))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise PortolanError(f"{path} (entry {number})", f"{key}: {first['msg']}", "correct the entry") from error
    return tuple(floors)


@cache
def beyond_rows() -> frozenset[tuple[str, str]]:
    """Return row and check of what is measured where it is present, and that the row does not ask for."""
    return frozenset((floor.requirement, floor.check) for floor in load_floors() if floor.where_present)


@cache
def reasons_unanswered() -> Mapping[str, Mapping[str, str]]:
    """Return why no check answers rows yet, by pattern of rows and language; the first that fits holds."""
    from ruamel.yaml import YAML

    found: dict[str, dict[str, str]] = YAML(typ="safe").load(UNANSWERED.read_text(encoding="utf-8"))
    return found


def why_unanswered(row: str) -> Mapping[str, str]:
    """Return why no check answers a row yet, by language; nothing where no reason is listed."""
    return next((reason for pattern, reason in reasons_unanswered().items() if fnmatchcase(row, pattern)), {})


def answered_by(row: Requirement) -> tuple[str, ...]:
    """Return the checks that answer a row: its own, and those of acceptance."""
    return tuple(dict.fromkeys([*row.checks, *(f.check for f in load_floors() if f.requirement == row.id)]))


def acceptance_targets(plan: Plan, requirements: Requirements, depth: Depth) -> tuple[Target, ...]:
    """Return the targets that a depth adds to the plan's: those whose requirement binds the site.

    A line whose requirement is not among the rows (an older or newer edition of them) sets no target.
    """
    rows = {row.id: row for row in requirements.applying(plan.tier, plan.topology)}
    return tuple(
        target
        for floor in load_floors()
        if depth.holds(floor.depth) and floor.requirement in rows
        for target in _targets_of(floor, rows[floor.requirement], plan)
    )


def _targets_of(floor: Floor, row: Requirement, plan: Plan) -> Iterator[Target]:
    operator, value, unit = _aim(floor, row)
    for subject in _subjects(floor, plan):
        measure = floor.check if floor.statistic == "value" else f"{floor.check}:{floor.statistic}"
        yield Target(
            id=f"{row.id}/{measure}/{subject.rpartition('/')[2]}",
            requirement=row.id,
            subject=subject,
            check=floor.check,
            operator=operator,
            value=value,
            unit=unit,
            statistic=floor.statistic,
            simulated=floor.hardware and plan.host_provider == "sandbox",
        )


def _aim(floor: Floor, row: Requirement) -> tuple[Operator, float | str, str]:
    if floor.operator is not None:
        operator: Operator = floor.operator
    elif row.operator == "range":
        raise ValueError(f"{row.id}: a range names no number to reach; give the acceptance line operator and value")
    else:
        operator = row.operator
    if operator == "present":
        return operator, "present", ""
    if floor.value is not None:
        return operator, floor.value, floor.unit
    if isinstance(row.value, float):
        return operator, *in_base_units(row.value, row.unit)
    return operator, row.value or "", ""


def _subjects(floor: Floor, plan: Plan) -> list[str]:
    if floor.subject in ("cluster", "platform"):
        return [floor.subject]
    if floor.subject == "endpoint":
        return [ENDPOINT]
    return [
        f"host/{host.name}"
        for host in plan.hosts
        if floor.subject == "host"
        or (floor.subject == "control-plane" and host.role is HostRole.CONTROL_PLANE)
        or (floor.subject == "worker" and host.role is HostRole.WORKER)
        or (floor.subject == "gpu-worker" and host.role is HostRole.WORKER and host.pool is Pool.GPU)
    ]
