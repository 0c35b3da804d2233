"""What rules pass between them: limits in, violations out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from portolan.cloud.resources import Resource

TAG, LABEL = "portolan:cost-centre", "portolan-cost-centre"
ANYWHERE = ("0.0.0.0/0", "::/0", "*", "Internet", "Any")


@dataclass(frozen=True)
class Limits:
    """What the site allows and the plan needs; `monthly_cost` None: not known, so the ceiling is not judged."""

    allowed_regions: tuple[str, ...]
    minimum_cores: float = 8.0  # CPU-9.7.2-01
    minimum_accelerators: int = 4  # GPU-9.7.2-01
    minimum_accelerator_gigabytes: float = 64.0  # GPU-9.7.2-02, over all GPUs of an instance
    cores: dict[str, float] = field(default_factory=dict)  # by instance type
    accelerators: dict[str, int] = field(default_factory=dict)
    accelerator_gigabytes: dict[str, float] = field(default_factory=dict)
    monthly_ceiling: float | None = None  # US dollars
    monthly_cost: Callable[[Iterable[Resource]], float] | None = None


@dataclass(frozen=True)
class Violation:
    """What is wrong with a resource: the line it breaks, the value found, the value asked, and how to mend it."""

    requirement: str
    resource: str
    found: str
    asked: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.requirement}: {self.resource}: found {self.found}, asked {self.asked}; {self.remedy}"


Rule = Callable[[Resource, Limits], Iterator[Violation]]
StackRule = Callable[[list[Resource], Limits], Iterator[Violation]]


def violation(requirement: str, resource: Resource, found: str, asked: str, remedy: str) -> Violation:
    """Return what is wrong with a resource."""
    return Violation(requirement, f"{resource.kind} {resource.name}", found, asked, remedy)
