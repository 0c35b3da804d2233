"""Servers as processes of this machine, on the loopback: one core for the server, another for the load."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.serving.environments import interpreter
from benchmarks.serving.servers import HERE, MODULES, OURS, Server
from portolan.errors import PortolanError

START_SECONDS = 240  # a machine may be busy with other work


def generator_answer(command: list[str], core: int | None = None) -> Mapping[str, Any]:
    """Run the load generator by a command and return what it measured. Raises PortolanError where it fails."""
    pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=pin)
    if done.returncode:
        raise PortolanError("load generator", done.stderr.strip()[-300:], "see benchmarks/serving/load")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def options_of(options: Mapping[str, float]) -> list[str]:
    """Return options as the load generator reads them."""
    return [part for name, value in options.items() for part in (f"-{name}", str(value))]


@dataclass(frozen=True)
class Process:
    """A server that answers at `url`, and its process."""

    url: str
    process: int
    generator: Path
    bodies: Path
    core: int | None  # the load generator's

    def cpu_seconds(self) -> float:
        """Return the processor time that it and its children have used."""
        ticks = 0
        for process in self._family():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mebibytes(self) -> float:
        """Return its proportional share of memory (PSS), children included."""
        total = 0
        for process in self._family():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        return total / 1024

    def load(self, **options: float) -> Mapping[str, Any]:
        """Ask it by the load generator, which has a core of its own."""
        command = [str(self.generator), "-url", self.url, "-bodies", str(self.bodies), *options_of(options)]
        return generator_answer(command, self.core)

    def _family(self) -> list[int]:
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        family = [self.process]
        for one in family:
            family += [child for child, parent in parents.items() if parent == one]
        return family


@dataclass(frozen=True)
class Bare:
    """This machine."""

    work: Path
    generator: Path
    name: str = "bare"
    together: bool = False

    @contextlib.contextmanager
    def running(self, server: Server) -> Iterator[Process]:
        """A server on a free port of the loopback, on one core; it is stopped at the end."""
        cores = sorted(os.sched_getaffinity(0))
        own, other = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        python = sys.executable if server.runtime == OURS else interpreter(server.runtime)
        places = {"python": python, "work": self.work, "programs": HERE, "address": "127.0.0.1", "port": port}
        command, environment = server.filled(**places)
        modules = {"PYTHONPATH": MODULES} if server.runtime == OURS else {}
        log = self.work / f"{server.name.replace(', ', '-').replace(' ', '-')}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=self.work,
                stdout=output,
                stderr=output,
                env={**os.environ, "OMP_NUM_THREADS": "1", **modules, **environment},
                preexec_fn=None if own is None else lambda: os.sched_setaffinity(0, {own}),
                start_new_session=True,
            )
        try:
            url, bodies = f"http://127.0.0.1:{port}{server.path}", self.work / server.bodies
            _answers(process, server.name, url, bodies, log)
            yield Process(url, process.pid, self.generator, bodies, other)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _answers(process: subprocess.Popen[bytes], name: str, url: str, bodies: Path, log: Path) -> None:
    """Wait until a server answers what it will be asked. Raises PortolanError where it does not."""
    body = bodies.read_bytes().split(b"\n", 1)[0]
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise PortolanError(name, "it does not answer", f"see {log}")
        with contextlib.suppress(httpx.TransportError):
            if httpx.post(url, content=body, headers={"content-type": "application/json"}).status_code == 200:
                return
        time.sleep(0.2)
