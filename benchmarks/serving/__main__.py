"""`python -m benchmarks.serving`: the most of each server and, at a share of it, its latency; print and keep both."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from benchmarks.figures import Figure, figure, good, show, write
from benchmarks.serving.servers import HERE, MODULES, Running, running, servers
from portolan import paths
from portolan.errors import EXIT_COULD_NOT_RUN, EXIT_FAILED, PortolanError
from portolan.output import people

COMMAND = "python -m benchmarks.serving"
EVERY = ["portolan", "ceiling", "kserve", "mlserver"]
PEER = "kserve"
# The goals as the largest ratio of processor time a request that is good: ours to KServe's own server.
GOALS = {"portolan": 1 / 10, "portolan with reasons": 1 / 5}
CEILING_GOAL = 1 / 0.8
LATENCY_GOAL_MS = 5.0


def generator() -> Path:
    """Return the load generator, built by Go where it is not there yet. Raises PortolanError where it cannot be."""
    program = paths.build() / "benchmarks" / "load"
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if go is None:
        raise PortolanError("benchmarks/serving/load", "Go is not installed", "run `make prepare`")
    program.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(
        [go, "build", "-o", str(program), "."],
        cwd=HERE / "load",
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise PortolanError("benchmarks/serving/load", built.stderr.strip(), "mend the source")
    return program


def trained(work: Path, rows: int) -> Path:
    """Return a model trained on invented declarations, which are the same everywhere."""
    model, data = work / "model", work / "declarations"
    environment = {**os.environ, "PYTHONPATH": MODULES, "OMP_NUM_THREADS": "1"}
    people.print(f"training the model on {rows} invented declarations")
    for module, options in (
        ("generate", ["--out", str(data), "--rows", str(rows)]),
        ("train", ["--data", str(data), "--output", str(model), "--local", "--seeds", "1"]),
    ):
        command = [sys.executable, "-m", f"risk_scoring.{module}", *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PortolanError(f"risk_scoring.{module}", done.stderr.strip()[-300:], "see services/risk_scoring")
    return model


def load(program: Path, server: Running, bodies: Path, core: int | None, **options: float) -> Mapping[str, Any]:
    """Run the load generator and return what it measured, with the server's processor time a request."""
    command = [str(program), "-url", server.url, "-bodies", str(bodies)]
    for name, value in options.items():
        command += [f"-{name}", str(value)]
    before = server.cpu_seconds()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    if done.returncode:
        raise PortolanError("load generator", done.stderr.strip(), "see benchmarks/serving/load")
    found: dict[str, Any] = json.loads(done.stdout)
    found["cpu_microseconds"] = (server.cpu_seconds() - before) / max(1, found["requests"]) * 1e6
    return found


def judged(found: Mapping[str, Mapping[str, float]], share: float) -> list[Figure]:
    """Return the figures of all servers, ours beside the peer and the ceiling where these were measured too."""
    figures: list[Figure] = []
    for name, one in found.items():
        peer = PEER if name in GOALS and PEER in found else None
        figures.append(
            figure(
                f"{name}: processor time a request",
                one["cpu_microseconds"],
                "us",
                COMMAND,
                statistic="mean",
                peer=peer,
                peer_value=found[PEER]["cpu_microseconds"] if peer else None,
                limit=GOALS[name] if peer else None,
            )
        )
        figures.append(figure(f"{name}: most requests", one["most"], "1/s", COMMAND, statistic="mean"))
        figures.append(
            figure(
                f"{name}: latency at {share:.0%} of the most",
                one["p99_ms"],
                "ms",
                COMMAND,
                statistic="p99, from the intended time",
                limit=LATENCY_GOAL_MS if name == "portolan with reasons" else None,
            )
        )
        figures.append(
            figure(
                f"{name}: memory",
                one["memory"],
                "MiB",
                COMMAND,
                statistic="PSS",
                peer=peer,
                peer_value=found[PEER]["memory"] if peer else None,
                limit=1.0 if peer else None,
            )
        )
        ceiling = name.replace("portolan", "ceiling")
        if name in GOALS and ceiling in found:
            figures.append(
                figure(
                    f"{name}: processor time against the ceiling",
                    one["cpu_microseconds"],
                    "us",
                    COMMAND,
                    peer=ceiling,
                    peer_value=found[ceiling]["cpu_microseconds"],
                    limit=CEILING_GOAL,
                )
            )
    return figures


def main(
    server: list[str] = typer.Option(EVERY, "--server", help="Which servers; may be given several times."),
    seconds: float = typer.Option(20, "--seconds", min=1, help="How long each load lasts."),
    connections: int = typer.Option(16, "--connections", min=1, help="Connections that the generator keeps open."),
    share: float = typer.Option(0.7, "--share", min=0.05, max=0.95, help="Of the most requests, for the latency."),
    rows: int = typer.Option(45_519, "--rows", min=2000, help="Invented declarations that the model is trained on."),
) -> None:
    """Measure bare servers of one model on the loopback: one core for the server, another for the load.

    The most comes from connections that ask again at once. The latency comes from an open loop at a share of it and
    counts from when a request should have been sent. KServe's server and MLServer run in environments of their own,
    made in the cache from the package index; they get the model's features ready-made and give no reasons. Processor
    time a request compares servers even where the machine is not quiet; rates and latencies do not.

    Exit code 0: every goal is met. 1: one is not. 2: it could not run.
    """
    cores = sorted(os.sched_getaffinity(0))
    own, other = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    program = generator()
    work = paths.build() / "benchmarks" / "serving-work"
    work.mkdir(parents=True, exist_ok=True)
    model = trained(work, rows)
    found: dict[str, dict[str, float]] = {}
    for one in servers(server, model, work):
        log = work / f"{one.name.replace(' ', '-')}.log"
        with running(one, own, log) as started:
            most = load(program, started, one.bodies, other, rate=0, seconds=seconds, warm=0, connections=connections)
            rate = most["requests_per_second"] * share
            open_loop = load(
                program, started, one.bodies, other, rate=rate, seconds=seconds, warm=1, connections=connections
            )
            if most["failed"] or open_loop["failed"]:
                failure = most["first_failure"] or open_loop["first_failure"]
                raise PortolanError(one.name, f"requests failed: {failure}", f"see {log}")
            found[one.name] = {
                "cpu_microseconds": most["cpu_microseconds"],
                "most": most["requests_per_second"],
                "p99_ms": open_loop["p99_ms"],
                "memory": started.memory_mebibytes(),
            }
            people.print(f"{one.name}: {found[one.name]}", markup=False)
    figures = judged(found, share)
    show("Serving", figures, write("serving", figures))
    raise typer.Exit(EXIT_FAILED if any(good(one) is False for one in figures) else 0)


if __name__ == "__main__":
    try:
        typer.run(main)
    except PortolanError as error:
        people.print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(EXIT_COULD_NOT_RUN)
