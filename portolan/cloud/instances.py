"""Instance types as people choose among them: dated price, age, what of the report they fail, what succeeds them."""

from __future__ import annotations

import datetime
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from portolan.costing.book import load_catalogue
from portolan.costing.shapes import CatalogueItem
from portolan.model import Model
from portolan.requirements import load_requirements
from portolan.sizing.hardware import failings

FILE = Path(__file__).with_name("instances.yaml")


class Told(Model):
    """What `instances.yaml` says of a type."""

    announced: str  # year and month
    successors: tuple[str, ...]
    in_report: bool = False


UNTOLD = Told(announced="", successors=())


class Description(Model):
    """An instance type with what a person weighs."""

    instance: str
    provider: str
    cores: float
    memory_gibibytes: float
    accelerators: int
    accelerator: str
    price_dollars_per_hour: float
    price_date: datetime.date
    announced: str
    age_years: float
    named_by_report: bool
    fails: tuple[str, ...]
    successors: tuple[str, ...]

    @property
    def size(self) -> str:
        """Return cores, memory and GPUs in words."""
        gpus = f", {self.accelerators} x {self.accelerator}" if self.accelerators else ""
        return f"{self.cores:g} vCPU, {self.memory_gibibytes:g} GiB{gpus}"

    @property
    def priced(self) -> str:
        """Return the price with its date."""
        return f"{self.price_dollars_per_hour:.3f} ({self.price_date.isoformat()})"

    @property
    def aged(self) -> str:
        """Return when the type was announced, and how many years ago."""
        return f"{self.announced}, {self.age_years:.0f} years" if self.announced else "not known"

    @property
    def shortcomings(self) -> str:
        """Return the lines of the report that its GPUs fail."""
        return ", ".join(self.fails)

    @property
    def next(self) -> str:
        """Return the successors."""
        return ", ".join(self.successors)


@cache
def told() -> dict[str, Told]:
    """Return what is said of each type."""
    rows = YAML(typ="safe", pure=True).load(FILE.read_text(encoding="utf-8"))["instances"]
    return {name: Told.model_validate({**row, "announced": str(row["announced"])}) for name, row in rows.items()}


def described(today: datetime.date | None = None) -> list[Description]:
    """Return all instance types of the catalogue, by provider and price."""
    catalogue = load_catalogue()
    found = [
        _describe(item, catalogue, today or datetime.date.today())
        for item in catalogue.values()
        if item.kind == "instance" and item.price is not None
    ]
    return sorted(found, key=lambda one: (one.provider, one.price_dollars_per_hour))


def _describe(item: CatalogueItem, catalogue: dict[str, CatalogueItem], today: datetime.date) -> Description:
    said = told().get(item.id, UNTOLD)
    year, month = (int(part) for part in said.announced.split("-")) if said.announced else (today.year, today.month)
    card, price = item.labels["accelerator"], item.price
    if price is None:
        raise ValueError(f"{item.id} has no price")
    return Description(
        instance=item.id,
        provider=item.labels["provider"],
        cores=item.facts["cores"],
        memory_gibibytes=item.facts["memory_gibibytes"],
        accelerators=int(item.facts["accelerators"]),
        accelerator=catalogue[card].name.en if card else "",
        price_dollars_per_hour=float(price.likely),
        price_date=price.source.date,
        announced=said.announced,
        age_years=round((today.year - year) + (today.month - month) / 12, 1),
        named_by_report=said.in_report,
        fails=tuple(failings(catalogue[card], load_requirements())) if card else (),
        successors=said.successors,
    )
