"""Where the tasks of a training run: on the nodes of a Ray cluster, or one after the other in this process.

Ray is imported only by `RayExecutor`, so that the rest runs and is tested without a cluster.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from model_server.errors import ServiceError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Done(Generic[Result]):
    """What a task returned, where it ran and for how long."""

    result: Result
    node: str
    seconds: float


class Executor(Protocol):
    """Runs a function over items with something large that all of them share."""

    kind: str

    def map(self, function: Callable[[Any, Item], Result], shared: Any, items: Sequence[Item]) -> list[Done[Result]]:
        """Return `function(shared, item)` of each item, in the items' order."""

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that tasks may run on."""


def node_name() -> str:
    """Return the Kubernetes node where NODE_NAME says it (downward API), else the host's own name."""
    return os.environ.get("NODE_NAME") or socket.gethostname()


def _timed(function: Callable[[Any, Item], Result], shared: Any, item: Item) -> Done[Result]:
    start = time.perf_counter()
    result = function(shared, item)
    return Done(result, node_name(), round(time.perf_counter() - start, 3))


class LocalExecutor:
    """One task after the other, in this process."""

    kind = "local"

    def map(self, function: Callable[[Any, Item], Result], shared: Any, items: Sequence[Item]) -> list[Done[Result]]:
        return [_timed(function, shared, item) for item in items]

    def nodes(self) -> list[dict[str, Any]]:
        return [{"name": node_name()}]


class RayExecutor:
    """A Ray task an item, spread over the cluster's nodes; what is shared is put into the object store once."""

    kind = "ray"

    def __init__(self, address: str, nodes: int, task_cpus: float, wait_seconds: float) -> None:
        """Join the cluster at `address` and wait until `nodes` of its nodes can take tasks.

        Raises ServiceError where Ray is missing, nothing answers, or too few nodes come in time.
        """
        try:
            import ray
        except ImportError as error:
            raise ServiceError("ray", "Ray is not installed", "use the training image, or --local") from error
        self._ray = ray
        self._task_cpus = task_cpus
        try:
            ray.init(address=address, log_to_driver=True, ignore_reinit_error=True)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ServiceError(f"ray {address}", str(error), "start a cluster, or use --local") from error
        deadline = time.monotonic() + wait_seconds
        while len(self.nodes()) < nodes:
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"ray {address}",
                    f"{len(self.nodes())} of {nodes} nodes took part after {wait_seconds:g} s",
                    "see why workers are missing (kubectl get pods), or lower --nodes",
                )
            time.sleep(0.5)

    def map(self, function: Callable[[Any, Item], Result], shared: Any, items: Sequence[Item]) -> list[Done[Result]]:
        remote = self._ray.remote(_timed).options(num_cpus=self._task_cpus, scheduling_strategy="SPREAD", max_retries=3)
        reference = self._ray.put(shared)
        done: list[Done[Result]] = self._ray.get([remote.remote(function, reference, item) for item in items])
        return done

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"name": node["NodeName"], "address": node["NodeManagerAddress"], "cpus": node["Resources"]["CPU"]}
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) >= self._task_cpus
        ]
