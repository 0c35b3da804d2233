"""A site as verification reaches it: what is opened once and shared by all checks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from portolan.conformity.depth import Depth
from portolan.conformity.hosts import MACHINE, read_machine
from portolan.conformity.reach import HostConnection, api_client
from portolan.sites.schema import HostRole
from portolan.sizing.plan import Plan

Answer = TypeVar("Answer")

NAMESPACES = ("portolan-system", "kserve", "kuberay-system", "risk-scoring")
NODE_PORT = 30080


@dataclass
class World:
    """Everything a check may look at. Closing it ends what it opened."""

    plan: Plan
    hosts: Mapping[str, HostConnection]
    kubeconfig: Path
    endpoint: str  # for example "http://10.89.0.10:30080"
    endpoint_authority: Path | None = None  # who signed the endpoint's certificate; None: a public authority
    depth: Depth = Depth.QUICK
    _remembered: dict[str, Any] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _stack: ExitStack = field(default_factory=ExitStack)

    def host(self, name: str) -> HostConnection:
        """Return the connection to a host; LookupError where the site has none of that name."""
        if name not in self.hosts:
            raise LookupError(f"the site has no host {name!r}")
        return self.hosts[name]

    def control_plane(self) -> HostConnection:
        """Return the first control-plane host."""
        for planned in self.plan.hosts:
            if planned.role is HostRole.CONTROL_PLANE:
                return self.host(planned.name)
        raise LookupError("the plan has no control-plane host")

    def simulated_accelerators(self, name: str) -> dict[str, int]:
        """Return the simulated accelerators of a host, by resource name."""
        return next((host.simulated_accelerators for host in self.plan.hosts if host.name == name), {})

    def hosts_on_machine_of(self, name: str) -> int:
        """Return how many of the site's hosts are containers on the machine of `name`, itself included."""
        machines = {other: self.remember(f"machine/{other}", partial(self._machine, other)) for other in self.hosts}
        return sum(machine == machines[name] for machine in machines.values()) if machines[name] else 1

    def _machine(self, name: str) -> str:
        return read_machine(self.hosts[name].shell(MACHINE).output)

    def remember(self, key: str, make: Callable[[], Answer]) -> Answer:
        """Return what `make` gave the first time; two threads never make the same thing twice."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._remembered:
                self._remembered[key] = make()
            answer: Answer = self._remembered[key]
            return answer

    def keep_open(self, key: str, open_it: Callable[[], Any]) -> Any:
        """Enter a context manager once; it stays open until the world is closed."""
        return self.remember(key, lambda: self._stack.enter_context(open_it()))

    @cached_property
    def api(self) -> Any:
        """The Kubernetes API client."""
        return api_client(self.kubeconfig)

    @property
    def core(self) -> Any:
        """The core API (pods, nodes, services, secrets)."""
        from kubernetes import client

        return client.CoreV1Api(self.api)

    def custom(self, group: str, version: str, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a custom object, or None where it or its kind does not exist."""
        from kubernetes import client

        try:
            found: dict[str, Any] = client.CustomObjectsApi(self.api).get_namespaced_custom_object(
                group, version, namespace, plural, name, _request_timeout=10
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    def close(self) -> None:
        """End everything that was opened."""
        self._stack.close()


@contextmanager
def opened(world: World) -> Iterator[World]:
    """Yield the world and close it at the end."""
    try:
        yield world
    finally:
        world.close()
