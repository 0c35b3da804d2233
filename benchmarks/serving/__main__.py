"""`python -m benchmarks.serving`: the most of each server and, at a share of it, its latency; print and keep both."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.figures import good, show, write
from benchmarks.serving.bare import Bare
from benchmarks.serving.cluster import opened
from benchmarks.serving.judging import Measured, judged, middle
from benchmarks.serving.servers import EVERY, HERE, MODULES, Place, Running, Server, prepare, servers
from portolan import paths
from portolan.errors import EXIT_COULD_NOT_RUN, EXIT_FAILED, PortolanError
from portolan.output import Format, emit, people

WARM_SECONDS = 1


def generator() -> Path:
    """Return the load generator, built by Go. Raises PortolanError where it cannot be."""
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


def trained(work: Path, rows: int) -> None:
    """Train a model in `work` on invented declarations, which are the same everywhere."""
    environment = {**os.environ, "PYTHONPATH": MODULES, "OMP_NUM_THREADS": "1"}
    people.print(f"training the model on {rows} invented declarations")
    for module, options in (
        ("generate", ["--out", str(work / "declarations"), "--rows", str(rows)]),
        (
            "train",
            ["--data", str(work / "declarations"), "--output", str(work / "model"), "--local", "--seeds", "1"],
        ),
    ):
        command = [sys.executable, "-m", f"risk_scoring.{module}", *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PortolanError(f"risk_scoring.{module}", done.stderr.strip()[-300:], "see services/risk_scoring")


def once(name: str, server: Running, share: float, seconds: float, connections: int) -> Measured:
    """Measure one server once. Raises PortolanError where it does not answer every request."""
    server.load(rate=0, seconds=WARM_SECONDS, warm=0, connections=connections)
    before = server.cpu_seconds()
    most = server.load(rate=0, seconds=seconds, warm=0, connections=connections)
    used = server.cpu_seconds() - before
    rate = most["requests_per_second"] * share
    paced = server.load(rate=rate, seconds=seconds, warm=WARM_SECONDS, connections=connections)
    for found in (most, paced):
        if found["failed"] or not found["requests"]:
            raise PortolanError(
                name, f"requests failed: {found['first_failure'] or 'none was answered'}", "see its log"
            )
    return Measured(
        cpu_microseconds=used / most["requests"] * 1e6,
        most=most["requests_per_second"],
        p99_ms=paced["p99_ms"],
        memory=server.memory_mebibytes(),
    )


def measured(
    place: Place, chosen: Sequence[Server], share: float, seconds: float, connections: int, rounds: int
) -> dict[str, Measured]:
    """Measure all servers in turns, so many rounds, and return the median of each."""
    found: dict[str, list[Measured]] = {one.name: [] for one in chosen}
    with ExitStack() as standing:
        all_through = {one.name: standing.enter_context(place.running(one)) for one in chosen if place.together}
        for number in range(rounds):
            for one in chosen:
                with ExitStack() as now:
                    server = all_through.get(one.name) or now.enter_context(place.running(one))
                    got = once(one.name, server, share, seconds, connections)
                found[one.name].append(got)
                people.print(
                    f"{number + 1}/{rounds} {one.name}: {got.most:.0f}/s, {got.cpu_microseconds:.0f} us, "
                    f"p99 {got.p99_ms:.1f} ms, {got.memory:.0f} MiB",
                    markup=False,
                )
    return {name: middle(of_one) for name, of_one in found.items()}


def main(
    server: Annotated[
        list[str] | None, typer.Option(help="Which servers; may be given several times; all without it.")
    ] = None,
    cluster: Annotated[
        Path | None,
        typer.Option("--cluster", metavar="SITE", help="Measure on the cluster of this site, which stands; else here."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the servers take turns, and medians are kept.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="How long each load lasts.")] = 5,
    connections: Annotated[int, typer.Option(min=1, help="Connections that the generator keeps open.")] = 16,
    share: Annotated[float, typer.Option(min=0.05, max=0.95, help="Of the most requests, for the latency.")] = 0.7,
    rows: Annotated[int, typer.Option(min=2000, help="Invented declarations that the model is trained on.")] = 45_519,
    output: Annotated[Format, typer.Option("--output", "-o", help="How the figures are printed.")] = Format.TABLE,
) -> None:
    """Measure servers of one model with a core each: bare on the loopback, or as InferenceServices of a cluster.

    The most comes from connections that ask again at once. The latency comes from an open loop at a share of it and
    counts from when a request should have been sent. KServe's server and MLServer run in environments of their own,
    made in the cache from the package index; they get the model's features ready-made and give no reasons. Processor
    time a request compares servers even where the machine is not quiet; rates and latencies do not. It takes some 7
    minutes as it is.

    Exit code 0: every goal is met. 1: one is not. 2: it could not run.
    """
    chosen = servers(server or EVERY)
    program = generator()
    work = paths.build() / "benchmarks" / "serving-work"
    work.mkdir(parents=True, exist_ok=True)
    trained(work, rows)
    prepare(work)
    with ExitStack() as stack:
        place: Place = Bare(work, program)
        if cluster is not None:
            place = stack.enter_context(opened(cluster, work, program, {one.runtime for one in chosen}))
        found = measured(place, chosen, share, seconds, connections, rounds)
    figures = judged(found, share, rounds, place.name)
    path = write("serving", figures)
    if output is Format.TABLE:
        show("Serving", figures, path)
    else:
        emit([one.model_dump(mode="json") for one in figures], output)
    raise typer.Exit(EXIT_FAILED if any(good(one) is False for one in figures) else 0)


if __name__ == "__main__":
    try:
        typer.run(main)
    except PortolanError as error:
        people.print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(EXIT_COULD_NOT_RUN)
