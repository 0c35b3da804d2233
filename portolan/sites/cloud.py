"""The cloud that a site rents: provider, region, and what may be chosen there."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Annotated, Final, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from portolan.model import Model
from portolan.sites.rules import fault

Provider = Literal["aws", "azure", "gcp"]
Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]  # of electronic mail
LARGEST_PREFIX = 17  # a private subnet of each of three zones, and the public ones beside them

# How regions are written, and one to show.
REGIONS: Final[dict[str, tuple[str, str]]] = {
    "aws": (r"[a-z]{2}(-[a-z]+)+-\d", "eu-west-3"),
    "azure": (r"[a-z]+\d?", "francecentral"),
    "gcp": (r"[a-z]+-[a-z]+\d{1,2}", "europe-west9"),
}


class CloudInstances(Model):
    """Instance types that the site wants; what is left out is chosen from the catalogue by price."""

    system: str | None = None  # nodes of the platform's own services
    cpu: str | None = None  # the report names c5.4xlarge (10.7)
    gpu: str | None = None  # inference and language models; the report names p3.8xlarge (10.7)
    training: str | None = None  # the report names p4d.24xlarge (10.7)


class Cloud(Model):
    """The rented part of a site."""

    provider: Provider
    region: Annotated[str, Field(min_length=1)]
    zones: tuple[str, ...] = ()  # empty: the provider's first three
    allowed_regions: tuple[str, ...] = ()  # empty: only `region`; data may rest nowhere else
    instances: CloudInstances = CloudInstances()
    reserved_years: Literal[0, 1, 3] = 1  # term of the base load's reservation; 0: all on demand
    interruptible_training: bool = True
    cost_centre: str = ""
    monthly_budget: PositiveFloat | None = None  # in the currency of `finance`
    alarm_addresses: tuple[Address, ...] = ()  # who is told when the budget is in danger; empty: nobody
    addresses: IPv4Network = IPv4Network("10.64.0.0/16")  # of the rented network

    @model_validator(mode="after")
    def _region_is_the_providers(self) -> Self:
        pattern, example = REGIONS[self.provider]
        for place, (key, region) in enumerate(
            [("region", self.region), *[("allowed_regions", name) for name in self.allowed_regions]]
        ):
            if not re.fullmatch(pattern, region):
                at: tuple[str | int, ...] = ("cloud", key) if key == "region" else ("cloud", key, place - 1)
                raise fault(
                    at,
                    f"'{region}' is not how {self.provider} writes a region",
                    f"give one of {self.provider}'s regions, for example {example}",
                )
        if self.allowed_regions and self.region not in self.allowed_regions:
            raise fault(
                ("cloud", "region"),
                f"region {self.region} is not among the allowed ones ({', '.join(self.allowed_regions)})",
                "choose an allowed region, or add this one to cloud.allowed_regions",
            )
        if self.addresses.prefixlen > LARGEST_PREFIX:
            raise fault(
                ("cloud", "addresses"),
                f"{self.addresses} has no room for a network in several zones",
                f"give a range of /{LARGEST_PREFIX} or larger, for example 10.64.0.0/16",
            )
        if len(set(self.zones)) != len(self.zones):
            raise fault(("cloud", "zones"), "a zone is given twice", "give each zone once")
        return self
