"""The hosts of a site file: their roles, pools, addresses, and how they are reached."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from portolan.model import Model
from portolan.sites.accelerators import HostAccelerators
from portolan.sites.links import Link
from portolan.sites.locations import check_quorum
from portolan.sites.rules import DnsLabel, check_address, fault


class HostRole(StrEnum):
    """What a host does in the cluster."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


class Pool(StrEnum):
    """What a worker is good for."""

    CPU = "cpu"
    GPU = "gpu"
    STORAGE = "storage"


class SecureShell(Model):
    """How operators reach a host: never as root, never by password."""

    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")] = "portolan"
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    private_key: str | None = None  # path; None: the key that the sandbox made


class Host(Model):
    """One host of the site."""

    name: DnsLabel
    role: HostRole
    pool: Pool = Pool.CPU
    address: str | None = None  # None only where the sandbox gives it
    location: DnsLabel | None = None  # where the site has locations
    simulated_accelerators: dict[str, PositiveInt] = Field(default_factory=dict)
    accelerators: HostAccelerators | None = None  # GPUs of a racked host
    links: tuple[Link, ...] = ()  # beside the one that carries `address`


class Hosts(Model):
    """The hosts, and who makes them: racks (`existing`), this machine (`sandbox`), or nobody before the cloud does."""

    provider: Literal["existing", "sandbox", "cloud"]
    ssh: SecureShell = SecureShell()
    nodes: tuple[Host, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.provider == "cloud":
            if self.nodes:
                raise fault(
                    ("hosts", "nodes"),
                    "hosts of provider cloud cannot be listed: their number follows from the workload",
                    "remove `hosts`, or use `provider: existing` for hosts in racks",
                )
            return self
        if not self.nodes:
            raise fault(("hosts", "nodes"), "the list is empty", "give at least one entry; see docs/reference/site.md")
        self._refuse_repetition()
        if not any(host.location for host in self.nodes):  # else each cluster's own number counts
            check_quorum(sum(host.role is HostRole.CONTROL_PLANE for host in self.nodes))
        for place, host in enumerate(self.nodes):
            self._check_host(("hosts", "nodes", place), host)
        return self

    def _refuse_repetition(self) -> None:
        names: set[str] = set()
        addresses: dict[str, str] = {}
        for place, host in enumerate(self.nodes):
            if host.name in names:
                raise fault(
                    ("hosts", "nodes", place, "name"),
                    f"host name '{host.name}' is given twice",
                    "give each host a name of its own",
                )
            names.add(host.name)
            if host.address is None:
                continue
            if host.address in addresses:
                raise fault(
                    ("hosts", "nodes", place, "address"),
                    f"address {host.address} is already that of {addresses[host.address]}",
                    "give each host an address of its own",
                )
            addresses[host.address] = host.name

    def _check_host(self, at: tuple[str | int, ...], host: Host) -> None:
        existing = self.provider == "existing"
        if existing and host.address is None:
            raise fault(at, f"host {host.name} has no address", "add `address: ...`, or use `provider: sandbox`")
        if not existing and host.address is not None:
            raise fault(
                (*at, "address"),
                f"host {host.name} has an address, but the sandbox gives the addresses",
                "remove the address, or use `provider: existing`",
            )
        if existing and host.simulated_accelerators:
            raise fault(
                (*at, "simulated_accelerators"),
                f"host {host.name}: accelerators are simulated only on sandbox hosts",
                "remove simulated_accelerators; what an existing host has is measured on it",
            )
        if host.simulated_accelerators and host.pool is not Pool.GPU:
            raise fault(
                (*at, "pool"),
                f"host {host.name} simulates accelerators but is in pool {host.pool.value}",
                "use `pool: gpu`, or remove simulated_accelerators",
            )
        if host.role is HostRole.CONTROL_PLANE and host.pool is not Pool.CPU:
            raise fault(
                (*at, "pool"), f"control-plane host {host.name} cannot be in pool {host.pool.value}", "remove the pool"
            )
        if host.address is not None:
            check_address((*at, "address"), host.address)
