"""What a cloud's cluster is made from: the rented part of the plan, and the site's rules for money and place."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from portolan.sizing.parts import CloudPlan

# Subnets of a zone: nodes and pods share the private one (the cloud's own CNI gives pods addresses of the network).
PRIVATE_PREFIX, PUBLIC_PREFIX = 19, 24


@dataclass(frozen=True)
class RentedArgs:
    """Inputs of a cluster in a cloud. `monthly_budget` is in US dollars; None: no alarm on cost."""

    name: str
    plan: CloudPlan
    zones: tuple[str, ...]
    addresses: IPv4Network
    kubernetes_version: str = ""
    cost_centre: str = ""
    monthly_budget: float | None = None
    alarm_addresses: tuple[str, ...] = ()

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags that every resource carries."""
        return {"portolan:site": self.name, "portolan:cost-centre": self.cost_centre, "portolan:managed-by": "pulumi"}


def subnets(addresses: IPv4Network, zones: int) -> tuple[tuple[IPv4Network, ...], tuple[IPv4Network, ...]]:
    """Return the private and the public subnets, one of each a zone; none overlap.

    >>> private, public = subnets(IPv4Network("10.64.0.0/16"), 2)
    >>> str(private[1]), str(public[0])
    ('10.64.32.0/19', '10.64.224.0/24')
    """
    blocks = list(addresses.subnets(new_prefix=PRIVATE_PREFIX))
    if zones >= len(blocks):
        raise ValueError(f"{addresses} has no room for {zones} zones")
    return tuple(blocks[:zones]), tuple(list(blocks[-1].subnets(new_prefix=PUBLIC_PREFIX))[:zones])
