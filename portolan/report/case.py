"""Everything that a chapter may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from portolan.costing.book import load_catalogue
from portolan.costing.shapes import CatalogueItem, CostReport, Option
from portolan.report.content import Bill, Cell
from portolan.report.language import Tongue
from portolan.requirements.schema import Requirement, Requirements
from portolan.sites.schema import Site
from portolan.sizing.parts import CloudPool
from portolan.sizing.plan import NodePool, Plan, Quantity, Target


@dataclass(frozen=True)
class Case:
    """One site, its plan, its bill, and the language in which it is reported."""

    site: Site
    plan: Plan
    requirements: Requirements
    bill: Bill
    tongue: Tongue
    issued: date
    costs: CostReport | None = None  # None: nobody has priced the site
    catalogue: Mapping[str, CatalogueItem] = field(default_factory=load_catalogue)
    priced_plan: Plan | None = None  # the plan whose quantities are priced, where that is another than today's

    @property
    def binding(self) -> tuple[Requirement, ...]:
        """Return the requirements that bind this site, in the report's order."""
        return tuple(self.requirements.applying(self.site.tier, self.site.topology))

    @property
    def bought(self) -> Plan:
        """Return the plan whose quantities stand in the bill."""
        return self.plan if self.priced_plan is None else self.priced_plan

    @property
    def rented_beside(self) -> tuple[CloudPool, ...]:
        """Return what is rented in a cloud beside hosts of the administration's own."""
        cloud = self.bought.cloud
        return () if cloud is None or self.bought.host_provider == "cloud" else cloud.pools

    @property
    def tests(self) -> tuple[Target, ...]:
        """Return everything that is measured at acceptance, at the greatest depth: what the conformity matrix lists."""
        from portolan.conformity.acceptance import acceptance_targets
        from portolan.conformity.depth import Depth

        return (*self.plan.targets, *acceptance_targets(self.plan, self.requirements, Depth.BURN_IN))

    def name(self, family: str, name: str) -> str:
        """Return the words for a pool, a service or a quantity; an unknown name stays as it is and is noted."""
        key = f"{family}.{name}"
        if key in self.tongue.words:
            return self.tongue.say(key)
        self.tongue.untranslated.add(key)
        return name

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what limits the estimate; what concerns another option than the chosen one is left out."""
        if self.costs is None:
            return ()
        silent = {"on-prem": ("hybrid", "cloud prices"), "cloud": ("hybrid",), "hybrid": ()}[self.costs.chosen]
        return tuple(text for text in self.costs.warnings if not text.startswith(silent))

    @property
    def option(self) -> Option | None:
        """Return the priced option that the site has chosen."""
        return None if self.costs is None else self.costs.option(self.costs.chosen)

    def money(self, amount: Decimal) -> str:
        """Return an amount of the cost report in whole units of its currency."""
        return self.tongue.number(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP), 0)

    def item(self, identity: str) -> str:
        """Return the name of a priced input: an item of the catalogue, or the load."""
        if identity == "load":
            return self.say("costs.load")
        return self.tongue.pick(self.catalogue[identity].name)

    def shown(self, quantity: Quantity) -> str:
        """Return a quantity of the plan as its reader writes it."""
        return self.tongue.quantity(quantity.value, quantity.unit)

    def say(self, key: str, **values: object) -> str:
        """Return words of the catalogue."""
        return self.tongue.say(key, **values)


def cells(*texts: str) -> tuple[Cell, ...]:
    """Return a row of words."""
    return tuple(Cell(text=text) for text in texts)


def total(pools: tuple[NodePool, ...], field: str) -> float:
    """Return what all nodes of the pools have together."""
    return sum(float(pool.count) * float(getattr(pool, field)) for pool in pools)
