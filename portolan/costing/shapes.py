"""The shapes of prices, bills and cost reports.

Money is `Decimal` in the report's currency. `cents` is the only place that rounds: a line's total is rounded once, and
every sum adds rounded lines, so that all formats agree to the cent.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Final, Literal

from pydantic import Field

from portolan.model import Model
from portolan.requirements.schema import Text
from portolan.sites.cloud import Provider
from portolan.sizing.quantity import Reason

CENT: Final = Decimal("0.01")
STALE_AFTER_DAYS: Final = 180

OptionName = Literal["on-prem", "cloud", "hybrid"]
OPTIONS: Final[tuple[OptionName, ...]] = ("on-prem", "cloud", "hybrid")


def cents(amount: Decimal) -> Decimal:
    """Return the amount rounded to the cent, halves away from zero.

    >>> cents(Decimal("2.345"))
    Decimal('2.35')
    """
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def total_of(amounts: Iterable[Decimal]) -> Decimal:
    """Return the sum of amounts that are already rounded; nothing sums to 0.00."""
    return sum(amounts, Decimal("0.00"))


class PriceSource(Model):
    """Where a fact or a price was published: a citation that a reader can find, without an address."""

    name: str  # publisher and document
    date: datetime.date
    kind: Literal["published", "assumption"] = "published"
    note: str = ""

    def age_days(self, today: datetime.date) -> int:
        """Return how old the source is."""
        return (today - self.date).days

    def warning(self, today: datetime.date) -> str | None:
        """Return the warning for a source that is older than 180 days."""
        age = self.age_days(today)
        return f"price of {self.date.isoformat()} is {age} days old" if age > STALE_AFTER_DAYS else None


class PriceRange(Model):
    """A price in US dollars with what it may be: low and high are a PERT distribution's ends."""

    likely: Annotated[Decimal, Field(ge=0)]
    low: Annotated[Decimal, Field(ge=0)]
    high: Annotated[Decimal, Field(ge=0)]
    source: PriceSource


class CatalogueItem(Model):
    """Something that can be bought or rented, with its facts. `unit` says what the price is for."""

    id: str
    kind: Literal["gpu", "cpu", "server", "switch", "storage", "instance", "service", "facility", "staff", "software"]
    name: Text
    specification: Text  # functional: "or equivalent" is added where a tender is written
    unit: str  # "each", "hour", "GB-month", "kWh", "year", ...
    price: PriceRange | None  # None: priced as part of another item
    facts: dict[str, float] = {}
    labels: dict[str, str] = {}  # facts in words: provider, gpu
    facts_source: PriceSource | None = None
    cpv: Annotated[str, Field(pattern=r"^\d{8}$")] | None = None


class Step(Model):
    """One link of the chain from inputs, requirements and constants to a number."""

    name: str
    value: float
    unit: str = ""
    origin: Literal["input", "requirement", "constant", "formula", "price", "choice"]
    expression: str = ""
    source: str = ""
    inputs: dict[str, float] = {}
    depth: int = 0  # 1: explains an input of the step above, 2: one of that, ...
    explains: str = ""  # the input


class BillLine(Model):
    """One line: what, how much of it, at which price, and why.

    `year` is the year of operation in which it is first paid (0: before the first day). `every_years` is 0 for what is
    paid once; a line that recurs yearly has 1, and its `quantity` is that of the first year.
    """

    item: str  # path for `portolan explain`, for example "bill.on-prem.gpu-servers"
    catalogue_item: str  # id in the catalogue
    option: OptionName
    name: Text
    specification: Text
    quantity: Decimal
    unit: str
    unit_price: Decimal  # in the bill's currency
    total: Decimal  # quantity * unit_price, rounded to the cent
    category: Literal["capex", "opex"]
    group: Literal["compute", "storage", "network", "facility", "energy", "staff", "software", "service"]
    every_years: int = 0
    requirement_ids: tuple[str, ...] = ()
    chain: tuple[Step, ...] = ()
    reasons: tuple[Reason, ...] = ()  # those of the plan's quantity that the line buys
    price: PriceRange | None = None  # as in the price book, in US dollars
    cpv: str | None = None
    warning: str | None = None  # set where the price is older than 180 days

    @property
    def is_hardware(self) -> bool:
        """Say whether the line buys equipment, which has a value at the end; services have none."""
        return self.category == "capex" and self.group != "service"


class Bill(Model):
    """The bill of quantities of one option: what is bought, and what the first year of operation costs."""

    option: OptionName
    currency: str
    lines: tuple[BillLine, ...]

    @property
    def capex(self) -> Decimal:
        """Return what is bought before the first day."""
        return total_of(line.total for line in self.lines if line.category == "capex")

    @property
    def opex_per_year(self) -> Decimal:
        """Return what the first year of operation costs."""
        return total_of(line.total for line in self.lines if line.category == "opex")

    @property
    def total(self) -> Decimal:
        """Return purchase and first year together."""
        return self.capex + self.opex_per_year

    def subtotals(self) -> dict[str, Decimal]:
        """Return the sum of each group of lines, in the order in which they stand in the bill."""
        found: dict[str, Decimal] = {}
        for line in self.lines:
            found[line.group] = found.get(line.group, Decimal("0.00")) + line.total
        return found


class YearCost(Model):
    """What one year costs; year 0 is the time before the first day. `discounted` is the value in year 0."""

    year: int
    capex: Decimal
    opex: Decimal
    discounted: Decimal

    @property
    def total(self) -> Decimal:
        """Return the year's cost as it is paid."""
        return self.capex + self.opex


class Distribution(Model):
    """Three quantiles of a cost: with probability 0.8 it lies between p10 and p90."""

    p10: Decimal
    p50: Decimal
    p90: Decimal


class Option(Model):
    """One way to own the platform over the horizon."""

    name: OptionName
    feasible: bool
    unmet: tuple[str, ...]  # why it is not feasible: needs that nothing in the catalogue meets
    bill: Bill
    years: tuple[YearCost, ...]
    capex: Decimal
    opex: Decimal
    residual: Decimal  # value of the hardware at the end, already discounted, not taken off `capex`
    total: Decimal  # capex + opex as paid
    present_value: Decimal  # all years discounted, less the residual
    range: Distribution  # of the present value
    energy_kilowatt_hours: Decimal  # over the horizon
    carbon_kilograms: Decimal  # over the horizon; of a cloud: not known, 0


class TornadoEntry(Model):
    """What the difference in one input does to an option's present value, all others as likely."""

    driver: str
    name: Text
    option: OptionName
    input_low: float
    input_high: float
    cost_at_low: Decimal
    cost_at_high: Decimal

    @property
    def swing(self) -> Decimal:
        """Return the distance between the two costs."""
        return abs(self.cost_at_high - self.cost_at_low)


class Ranks(Model):
    """In how many of the draws each option is the cheapest, and how often the likely order changes."""

    cheapest: dict[OptionName, float]
    likely_order: tuple[OptionName, ...]
    order_changes: float


class BreakEven(Model):
    """When owning becomes cheaper than renting.

    `gpu_hours_per_year`: hours of use a year of one GPU server above which buying it is cheaper over the horizon;
    `years`: the first year in which the running sum on-premises is under the cloud's. None: never within the horizon.
    """

    gpu_hours_per_year: float | None
    gpu_item: str | None  # the server that was compared
    gpu_instance: str | None  # with this instance
    years: float | None


class ReportRange(Model):
    """A cost line of the report's chapter 10, as it stands there, beside what the kit's bill says."""

    requirement: str | None  # id of the row of kind cost
    section: str
    table: int
    name: Text
    low: Decimal | None  # in US dollars
    high: Decimal | None  # None with `open_ended`: "and more"
    open_ended: bool = False
    unit: Text
    caveat: Text
    priced: Decimal | None = None  # what the price book says today for the same thing, in US dollars
    priced_item: str | None = None


class Assumption(Model):
    """One entry of the assumptions register."""

    id: str
    name: Text
    low: float
    likely: float
    high: float
    unit: str
    source: PriceSource
    confidence: Literal["high", "medium", "low"]
    sensitivity_rank: int | None = None  # place in the tornado, 1 is the strongest


class CostReport(Model):
    """Everything that `portolan cost` answers."""

    schema_version: Literal[1] = 1
    site: str
    currency: str
    per_us_dollar: Decimal
    price_book_date: datetime.date  # the newest price in the book
    priced_on: datetime.date  # the day that ages are counted from
    horizon_years: int
    discount_rate: float
    provider: Provider  # of the cloud and hybrid options
    region: str
    recommended: OptionName  # the cheapest feasible option, by present value
    chosen: OptionName  # the site's own topology
    options: tuple[Option, ...]
    draws: int
    seed: int
    tornado: tuple[TornadoEntry, ...]
    ranks: Ranks
    break_even: BreakEven
    report_ranges: tuple[ReportRange, ...]
    assumptions: tuple[Assumption, ...]
    over_budget: Decimal | None = None  # monthly cost above cloud.monthly_budget
    warnings: tuple[str, ...] = ()

    def option(self, name: OptionName) -> Option:
        """Return the option called `name`.

        Raises KeyError where the report has none.
        """
        for option in self.options:
            if option.name == name:
                return option
        raise KeyError(name)
