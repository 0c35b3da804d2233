"""How money is counted: currency, discount, energy, staff. Prices themselves are in the price book."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from portolan.model import Model
from portolan.sites.cloud import Provider
from portolan.sites.rules import fault


class Finance(Model):
    """The site's economic figures; a key that is left out takes the price book's assumption.

    The price book is in US dollars; `per_us_dollar` converts, so it is needed for every other currency.
    """

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"  # ISO 4217
    per_us_dollar: PositiveFloat | None = None  # units of `currency` for one US dollar
    discount_rate: Annotated[float, Field(ge=0, lt=1)] = 0.08
    energy_price_per_kilowatt_hour: NonNegativeFloat | None = None  # in `currency`
    carbon_grams_per_kilowatt_hour: NonNegativeFloat | None = None  # of the grid
    power_usage_effectiveness: Annotated[float, Field(ge=1, le=5)] | None = None
    engineer_cost_per_year: NonNegativeFloat | None = None  # in `currency`, all charges included
    tax_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0  # on what is bought; shown beside the totals, never in them
    compare_provider: Provider = "aws"  # the cloud that an on-premises site is compared with

    @model_validator(mode="after")
    def _rate_of_exchange(self) -> Self:
        if self.currency != "USD" and self.per_us_dollar is None:
            raise fault(
                ("finance", "currency"),
                f"the price book is in USD, and nothing says what a dollar is in {self.currency}",
                f"add `per_us_dollar: ...`, how many {self.currency} a US dollar costs",
            )
        if self.currency == "USD" and self.per_us_dollar not in (None, 1, 1.0):
            raise fault(("finance", "per_us_dollar"), "a US dollar costs one US dollar", "remove per_us_dollar")
        return self

    @property
    def exchange(self) -> float:
        """Return how many units of the currency a US dollar costs."""
        return 1.0 if self.per_us_dollar is None else self.per_us_dollar
