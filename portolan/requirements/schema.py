"""One line of the report, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from portolan.model import Model
from portolan.requirements.units import UNITS
from portolan.sites.schema import Tier, Topology


class Kind(StrEnum):
    """What a requirement speaks of."""

    HARDWARE = "hardware"
    SOFTWARE = "software"
    NETWORK = "network"
    STORAGE = "storage"
    SECURITY = "security"
    CLUSTER = "cluster"
    SERVICE = "service"
    MLOPS = "mlops"
    COST = "cost"
    METRIC = "metric"
    GOVERNANCE = "governance"


class Text(Model):
    """The same sentence in both languages of the kit."""

    en: Annotated[str, Field(min_length=1)]
    fr: Annotated[str, Field(min_length=1)]


class Answers(Model):
    """What in this kit answers a line, beside its checks: paths in the repository, and Ansible roles by name."""

    components: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


EVERY_TOPOLOGY = (Topology.ON_PREM, Topology.CLOUD, Topology.HYBRID)


class Requirement(Model):
    """A checkable line of the report.

    `value` and `unit` are the report's own; `portolan.requirements.units.in_base_units` converts them.
    `locator` is the figure or term that finds the line again within its section.
    `checks` names what measures it on `subject`; a row without checks is recorded, not yet measured.
    A `range` runs from `value` to `upper`, and beyond where it is `open_ended` ("+ de 50 000 USD").
    `contradicts` names the rows that the report sets against this one; its `note` says how the kit reads them.
    """

    id: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,4}-\d+(\.\d+){0,2}-\d{2}$")]
    section: Annotated[str, Field(pattern=r"^\d+(\.\d+){0,2}$")]
    table: Annotated[str, Field(pattern=r"^(Table|Figure) \d+$")] | None = None
    component: str
    text: Text
    operator: Literal[">=", "<=", "==", "range", "present"]
    value: float | str | None = None
    upper: float | None = None
    open_ended: bool = False
    unit: str = ""
    tier: Literal["starter", "production", "any"] = "any"
    kind: Kind
    level: Literal["must", "should"] = "must"
    topologies: tuple[Topology, ...] = EVERY_TOPOLOGY
    locator: Annotated[str, Field(min_length=1, max_length=60)]
    subject: Literal["host", "worker", "gpu-worker", "cluster", "platform", "endpoint"] | None = None
    checks: tuple[str, ...] = ()
    answers: Answers = Answers()
    contradicts: tuple[str, ...] = ()
    note: Text | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.id.split("-")[1] != self.section:
            raise ValueError(f"id {self.id} does not carry its section {self.section}")
        if (self.operator == "present") != (self.value is None):
            raise ValueError(f"{self.id}: 'present' takes no value, every other operator needs one")
        if isinstance(self.value, float) and self.unit not in UNITS:
            raise ValueError(f"{self.id}: unknown unit '{self.unit}'; the units are {', '.join(UNITS)}")
        if (self.operator == "range") != (self.upper is not None) or (self.open_ended and self.upper is None):
            raise ValueError(f"{self.id}: 'range' and upper come together, and only a range is open-ended")
        if self.upper is not None and not (isinstance(self.value, float) and self.value < self.upper):
            raise ValueError(f"{self.id}: a range runs from a lower value to a higher upper")
        if self.operator == "range" and self.checks:
            raise ValueError(f"{self.id}: a range is not measured; give each of its ends a row of its own")
        if self.contradicts and self.note is None:
            raise ValueError(f"{self.id}: a contradiction needs a note on how the kit reads it")
        if bool(self.checks) != (self.subject is not None):
            raise ValueError(f"{self.id}: checks and subject come together")
        return self

    @property
    def answered(self) -> bool:
        """Say whether anything in the kit answers this line."""
        return bool(self.checks or self.answers.components or self.answers.roles)

    def applies_to(self, tier: Tier, topology: Topology) -> bool:
        """Say whether this line binds a site of that tier and topology."""
        return self.tier in ("any", tier.value) and topology in self.topologies


class Requirements(Model):
    """All lines, in the report's order, with unique ids."""

    rows: tuple[Requirement, ...]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [row.id for row in self.rows]
        twice = sorted({identity for identity in ids if ids.count(identity) > 1})
        if twice:
            raise ValueError(f"requirement id given twice: {', '.join(twice)}")
        return self

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, identity: str) -> Requirement:
        """Return the row called `identity`.

        Raises KeyError where there is none.
        """
        for row in self.rows:
            if row.id == identity:
                return row
        raise KeyError(identity)

    def applying(self, tier: Tier, topology: Topology) -> Iterator[Requirement]:
        """Yield the rows that bind a site of that tier and topology."""
        return (row for row in self.rows if row.applies_to(tier, topology))


def gather(rows: Iterable[Requirement]) -> Requirements:
    """Return the rows as one value; raises pydantic's ValidationError where an id is given twice."""
    return Requirements(rows=tuple(rows))
