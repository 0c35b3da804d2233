"""Accelerators of racked hosts: which GPUs a host has, how they are split, and where their driver comes from.

What a GPU can do is told here a second time, so that a site file is checked without the catalogue; a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple, Self

from pydantic import Field, PositiveInt, model_validator

from portolan.model import Model
from portolan.sites.rules import fault

if TYPE_CHECKING:
    from portolan.sites.hosts import Hosts


class Gpu(NamedTuple):
    """What a model of the catalogue can do; `slice_gigabytes` is an eighth of its memory where it can be split."""

    compute_capability: float
    slice_gigabytes: int | None = None


GPUS: Final[Mapping[str, Gpu]] = {
    "l4": Gpu(8.9),
    "l40s": Gpu(8.9),
    "a10g": Gpu(8.6),
    "a100-40": Gpu(8.0, 5),
    "a100-80": Gpu(8.0, 10),
    "h100": Gpu(9.0, 10),
    "v100": Gpu(7.0),
    "t4": Gpu(7.5),
}
# The kernel modules whose source is open know GPUs from Turing on. Source: NVIDIA Driver Installation Guide r580,
# "Kernel Modules".
OPEN_MODULES_FROM = 7.5
REGISTRY = r"[a-z0-9][a-z0-9.-]*(:\d{1,5})?(/[a-z0-9._-]+)*"


class Profile(NamedTuple):
    """A kind of instance: sevenths of the processors, eighths of the memory, and where in the memory it may begin."""

    processors: int
    memory: int
    starts: tuple[int, ...]


# Source: NVIDIA Multi-Instance GPU User Guide, "Supported MIG Profiles" (A100 and H100) and the placements that
# `nvidia-smi mig -lgipp` lists there. Profiles with media extensions (+me) are left out.
PROFILES: Final[tuple[Profile, ...]] = (
    Profile(7, 8, (0,)),
    Profile(4, 4, (0,)),
    Profile(3, 4, (0, 4)),
    Profile(2, 2, (0, 2, 4)),
    Profile(1, 2, (0, 2, 4, 6)),
    Profile(1, 1, (0, 1, 2, 3, 4, 5, 6)),
)
PROCESSORS, MEMORY = 7, 8


class HostAccelerators(Model):
    """The GPUs of one host, all alike."""

    model: str  # id in the catalogue
    count: Annotated[int, Field(ge=1, le=16)]
    partitions: dict[str, PositiveInt] = Field(default_factory=dict)  # MIG profile to instances, on each GPU


class PackageRepository(Model):
    """A repository of Debian packages, as apt reads it."""

    address: str
    suite: str = "/"  # "/": a flat one, as NVIDIA's are
    components: tuple[str, ...] = ()
    key: str  # path, on the controller, of the key that signs it, ASCII-armoured

    @model_validator(mode="after")
    def _flat_or_not(self) -> Self:
        at = ("accelerators", "repositories")
        if not re.fullmatch(r"(https?|file)://?\S+", self.address):
            raise fault(
                at, f"'{self.address}' is no address of a repository", "begin it with https://, http:// or file:/"
            )
        if self.suite.endswith("/") == bool(self.components):
            raise fault(
                at,
                f"suite '{self.suite}' and {len(self.components)} components do not go together",
                "a flat repository has suite `/` and no components; any other has both",
            )
        return self


class Accelerators(Model):
    """How accelerators are run. Without `repositories` and `packages`, the hosts' own apt configuration serves."""

    repositories: tuple[PackageRepository, ...] = ()
    packages: str | None = None  # a directory of the site with the packages and their index `Packages` (air gap)
    driver_branch: str | None = None  # None: the newest that the packages have
    kernel_modules: Literal["open", "proprietary"] = "open"
    partitioning: Literal["host", "manager"] = "host"  # who splits GPUs: the role at boot, or NVIDIA's MIG manager
    peer_memory: bool = False  # GPUDirect: network adapters read the GPUs' memory
    fabric_manager: bool = False  # hosts whose GPUs are joined by NVSwitch
    exporter: bool = True  # DCGM's metrics for Prometheus
    image_registry: str | None = None  # a registry of the site that mirrors the publishers' images; None: theirs

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.packages is not None and self.repositories:
            raise fault(
                ("accelerators", "packages"),
                "packages come from a directory of the site and from repositories at once",
                "keep `packages` where hosts reach no repository, else `repositories`",
            )
        if self.driver_branch is not None and not re.fullmatch(r"\d{3}", self.driver_branch):
            raise fault(
                ("accelerators", "driver_branch"),
                f"'{self.driver_branch}' is no branch of the driver",
                'give its three digits in quotes, for example "580"',
            )
        if self.image_registry is not None and not re.fullmatch(REGISTRY, self.image_registry):
            raise fault(
                ("accelerators", "image_registry"),
                f"'{self.image_registry}' is no registry",
                "give host, port and path without a scheme, for example registry.example:5000/mirror",
            )
        return self


def profiles_of(model: str) -> dict[str, Profile]:
    """Return the kinds of instances that a GPU can be split into, by NVIDIA's names; none where it cannot.

    >>> ", ".join(profiles_of("a100-40"))
    '7g.40gb, 4g.20gb, 3g.20gb, 2g.10gb, 1g.10gb, 1g.5gb'
    """
    slice_gigabytes = GPUS[model].slice_gigabytes
    if slice_gigabytes is None:
        return {}
    return {f"{one.processors}g.{one.memory * slice_gigabytes}gb": one for one in PROFILES}


def fits(wanted: Sequence[Profile]) -> bool:
    """Tell whether one GPU can hold all these instances at once, each where it may lie.

    >>> fits([Profile(3, 4, (0, 4)), Profile(3, 4, (0, 4))]), fits([Profile(4, 4, (0,)), Profile(4, 4, (0,))])
    (True, False)
    """
    if sum(one.processors for one in wanted) > PROCESSORS or sum(one.memory for one in wanted) > MEMORY:
        return False
    largest_first = sorted(wanted, key=lambda one: (-one.memory, -one.processors))
    return _placed(largest_first, frozenset())


def _placed(waiting: Sequence[Profile], taken: frozenset[int]) -> bool:
    if not waiting:
        return True
    first, *rest = waiting
    return any(
        not (place := frozenset(range(start, start + first.memory))) & taken and _placed(rest, taken | place)
        for start in first.starts
    )


def check_accelerators(accelerators: Accelerators | None, hosts: Hosts) -> None:
    """Refuse accelerators that hosts cannot have, or that cannot be run so. Raises the site file's own error."""
    chosen = accelerators or Accelerators()
    if accelerators is not None and not any(host.accelerators for host in hosts.nodes):
        raise fault(
            ("accelerators",),
            "says how accelerators are run, and no host has any",
            "give hosts of pool gpu `accelerators: {model: ..., count: ...}`, or remove the key",
        )
    for place, host in enumerate(hosts.nodes):
        if host.accelerators is None:
            continue
        at = ("hosts", "nodes", place, "accelerators")
        if hosts.provider != "existing":
            raise fault(
                at, f"sandbox host {host.name} has no accelerators of its own", "use simulated_accelerators instead"
            )
        if host.pool != "gpu":
            raise fault(at, f"host {host.name} has accelerators but is in pool {host.pool.value}", "use `pool: gpu`")
        _check_model(at, host.accelerators, chosen)


def _check_model(at: tuple[str | int, ...], has: HostAccelerators, chosen: Accelerators) -> None:
    known = GPUS.get(has.model)
    if known is None:
        raise fault((*at, "model"), f"'{has.model}' is no GPU of the catalogue", f"give one of {', '.join(GPUS)}")
    if chosen.kernel_modules == "open" and known.compute_capability < OPEN_MODULES_FROM:
        raise fault(
            (*at, "model"),
            f"the open kernel modules do not know {has.model} (compute capability {known.compute_capability})",
            "set accelerators.kernel_modules: proprietary",
        )
    if not has.partitions:
        return
    profiles = profiles_of(has.model)
    if not profiles:
        splittable = ", ".join(name for name, gpu in GPUS.items() if gpu.slice_gigabytes)
        raise fault(
            (*at, "partitions"), f"{has.model} cannot be split (MIG)", f"remove partitions; these can be: {splittable}"
        )
    for name in has.partitions:
        if name not in profiles:
            raise fault(
                (*at, "partitions", name), f"{has.model} has no profile {name}", f"give one of {', '.join(profiles)}"
            )
    if not fits([profiles[name] for name, count in has.partitions.items() for _ in range(count)]):
        asked = " and ".join(f"{count} of {name}" for name, count in has.partitions.items())
        raise fault(
            (*at, "partitions"),
            f"one {has.model} cannot hold {asked}",
            f"a GPU has {PROCESSORS} parts of processors and {MEMORY} of memory; ask for fewer or smaller instances",
        )
