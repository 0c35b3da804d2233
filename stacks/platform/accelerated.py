"""Which of the site's GPUs a model gets: those that the plan counts for it, where its image is said to use them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from portolan.errors import PortolanError
from portolan.sizing.plan import Plan
from stacks.platform.device_plugin import RUNTIME_CLASS

GPU = "nvidia.com/gpu"
SETTING = "portolan:accelerated"
# What the plan counts GPUs for, by the service that takes them; language models are put on the cluster by their chart.
COUNTED = {"xray-inspection": "xray"}


@dataclass(frozen=True)
class Share:
    """GPUs of one service: one a replica, given by a runtime class where the nodes' own runtime does not."""

    replicas: int
    runtime_class: str


def share(plan: Plan, service: str, chosen: Collection[str]) -> Share | None:
    """Return the GPUs of a service; None where it is not among the chosen.

    Raises PortolanError where it is, and the plan has none for it.
    """
    if service not in chosen:
        return None
    counted = 0 if plan.accelerators is None else int(getattr(plan.accelerators, COUNTED[service]))
    if not counted:
        remedy = f"let the site file's workload ask for some, or take {service} out of {SETTING}"
        raise PortolanError(SETTING, f"the plan counts no GPU for {service}", remedy)
    racked = plan.devices is not None and bool(plan.devices.hosts)
    return Share(counted, RUNTIME_CLASS if racked else "")


def checked(chosen: object) -> tuple[str, ...]:
    """Return the services that the setting names. Raises PortolanError where one cannot use a GPU."""
    known = ", ".join(COUNTED)
    if not isinstance(chosen, list):
        raise PortolanError(SETTING, "is no list", f"give a JSON list of: {known}")
    for name in chosen:
        if not isinstance(name, str) or name not in COUNTED:
            raise PortolanError(SETTING, f"{name!r} runs on no GPU here", f"choose among: {known}")
    return tuple(chosen)
