"""Operations on a site's platform: start the real Pulumi engine, follow it, and end with one error or an outcome."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from portolan import paths
from portolan.bundle.view import Bundle
from portolan.errors import PortolanError
from portolan.output import people
from portolan.platform import cluster_identity
from portolan.platform.cluster_identity import Standing
from portolan.platform.environment import PROJECT, Prepared, prepare
from portolan.platform.events import Change, Story, follow, kind_of, name_of
from portolan.platform.locks import clear_dead_locks
from portolan.platform.pending import (
    begun_elsewhere,
    exists_in_cluster,
    pending_creations,
    pending_names,
    refresh_arguments,
)

Operation = Literal["up", "preview", "refresh", "destroy"]
# The engine ends its awaits and writes its state first; only then is it killed.
STOP_SECONDS = 30.0
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Outcome:
    """What an operation came to."""

    operation: Operation
    changes: tuple[Change, ...]
    outputs: dict[str, Any]


def run(operation: Operation, site_path: Path) -> Outcome:
    """Run one operation on the site's stack and return what it changed.

    Raises PortolanError naming the resource that failed.
    """
    prepared = prepare(site_path, renew_certificates=operation == "up")
    people.print(prepared.toolchain.describe(), markup=False, soft_wrap=True)
    clear_dead_locks(prepared.variables["PULUMI_BACKEND_URL"], PROJECT, prepared.stack)
    if operation in ("up", "destroy"):
        _settle_pending(prepared)
    if prepared.site.hosts.provider == "cloud":
        return _rented(prepared, operation)
    forgotten = operation != "refresh" and _settle_cluster(prepared, change=operation != "preview")
    story = _follow(prepared, operation, ("--refresh",) if forgotten and operation == "preview" else ())
    if operation != "preview":
        story.totals()
    outputs = {} if operation == "destroy" else _outputs(prepared)
    return Outcome(operation, tuple(story.changes), outputs)


def _rented(prepared: Prepared, operation: Operation) -> Outcome:
    """Run an operation on a stack that rents its cluster: rules and cost come first, and no cluster is asked before."""
    if operation in ("up", "preview"):
        from portolan.cloud.gate import hold
        from portolan.sizing.plan import Plan

        document = json.loads(_call(prepared, ["stack", "export", "--stack", prepared.stack]))
        deployed = document if (document.get("deployment") or {}).get("resources") else None
        hold(Plan.model_validate_json(prepared.places.plan.read_text(encoding="utf-8")), deployed)
    story = _follow(prepared, operation)
    if operation != "preview":
        story.totals()
    return Outcome(operation, tuple(story.changes), {} if operation == "destroy" else _outputs(prepared))


def export_stack(site: str, show_secrets: bool = False) -> dict[str, Any]:
    """Return the exported deployment of a site's stack: its resources with inputs and outputs.

    `site` is a site's name or the path of its file.
    """
    path = Path(site)
    if not path.is_file():
        path = paths.REPOSITORY / "sites" / f"{site}.yaml"
    prepared = prepare(path)
    arguments = ["stack", "export", "--stack", prepared.stack] + (["--show-secrets"] if show_secrets else [])
    document: dict[str, Any] = json.loads(_call(prepared, arguments))
    return document


def _settle_pending(prepared: Prepared) -> None:
    """Ask the cluster about operations that a killed run had begun, so that this one knows what is there."""
    document = json.loads(_call(prepared, ["stack", "export", "--stack", prepared.stack]))
    names = pending_names(document)
    if not names:
        return
    said = f"a run was killed while it worked on {', '.join(names)}: asking the cluster first"
    elsewhere = begun_elsewhere(document)
    if elsewhere:
        # Forgetting them could leave something at the provider that nobody pays attention to, but pays for.
        urn = elsewhere[0]
        raise PortolanError(
            f"stack {prepared.stack}",
            f"a run was killed while the provider made {len(elsewhere)} resources; whether they exist is not known: "
            + ", ".join(urn.split("::", 2)[-1] for urn in elsewhere),
            f"look for them at the provider (tag portolan:site={prepared.stack}); for one that exists run: pulumi "
            f"refresh --import-pending-creates '{urn}' --import-pending-creates ID; for one that does not: pulumi "
            "refresh --clear-pending-creates",
        )
    people.print(said, markup=False, soft_wrap=True)
    exists = exists_in_cluster(Bundle.open(paths.cache()).binary("kubectl"), prepared.environment())
    arguments = ["refresh", "--yes", "--skip-preview", "--non-interactive", "--stack", prepared.stack]
    _call(prepared, [*arguments, *refresh_arguments(pending_creations(document), exists)])


def _settle_cluster(prepared: Prepared, change: bool) -> bool:
    """Ask a cluster that is not the state's what is there; what went down with the former one leaves the state.

    Without `change`, only return whether that is to be done.
    """
    live = cluster_identity.live_identity(Bundle.open(paths.cache()).binary("kubectl"), prepared.environment())
    recorded = cluster_identity.recorded_identity(prepared.places.cluster)
    document = {} if live == recorded else json.loads(_call(prepared, ["stack", "export", "--stack", prepared.stack]))
    standing = cluster_identity.judge(recorded, live, document)
    other = standing is Standing.OTHER
    if other and recorded is not None:
        said = "this is not the cluster of the last run (made anew since?): asking it what is there"
        people.print(said, markup=False, soft_wrap=True)
    if not change:
        return other
    if other:
        _call(prepared, ["refresh", "--yes", "--skip-preview", "--non-interactive", "--stack", prepared.stack])
    if live is not None:
        cluster_identity.record(prepared.places.cluster, live)
    return other


def _follow(prepared: Prepared, operation: Operation, more: tuple[str, ...] = ()) -> Story:
    logs = prepared.places.state / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    events, output = logs / f"pulumi-{operation}-events.json", logs / f"pulumi-{operation}.log"
    events.unlink(missing_ok=True)
    command = [
        *(str(prepared.toolchain.cli), operation, "--stack", prepared.stack, "--non-interactive", "--color", "never"),
        *(() if operation == "preview" else ("--yes", "--skip-preview")),
        *more,
        *("--event-log", str(events)),
    ]
    # As Pulumi's own Automation API does: the event log is an option for programs, hidden from people.
    environment = {**prepared.environment(), "PULUMI_DEBUG_COMMANDS": "true"}
    story = Story(lambda line: people.print(line, markup=False, soft_wrap=True), refreshing=operation == "refresh")
    with output.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=paths.REPOSITORY,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            for event in follow(events, lambda: process.poll() is None):
                story.waiting() if event is None else story.tell(event)
        except BaseException:
            people.print("stopping the engine; it writes its state first")
            _stop(process)
            raise
    if process.returncode != 0:
        raise _error(prepared, operation, story, output)
    return story


def _end_with_parent() -> None:
    """Let the kernel interrupt the engine when this process is killed: nobody would follow it any more."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGINT)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _error(prepared: Prepared, operation: Operation, story: Story, output: Path) -> PortolanError:
    # The first error about a Kubernetes object tells most; the program's own comes next, the engine's summary last.
    ranked = sorted(story.errors, key=lambda error: (not kind_of(error[0]).startswith("kubernetes:"), not error[0]))
    if ranked:
        urn, message = ranked[0]
        more = f" ({len(ranked) - 1} more in {output})" if len(ranked) > 1 else ""
        where = f"{kind_of(urn)} {name_of(urn)} [{urn}]" if urn else f"stack {prepared.stack}"
        what, _, remedy = message.partition("\n  remedy: ")
        again = f"then run again: portolan platform {operation} SITE"
        return PortolanError(where, what + more, f"{remedy or 'mend that'}; {again}")
    tail = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-12:]
    return PortolanError(f"pulumi {operation}", "\n".join(tail) or "ended without a word", f"see {output}")


def _outputs(prepared: Prepared) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        _call(prepared, ["stack", "output", "--json", "--stack", prepared.stack]) or "{}"
    )
    return found


def _call(prepared: Prepared, arguments: list[str]) -> str:
    done = subprocess.run(
        [str(prepared.toolchain.cli), *arguments],
        cwd=paths.REPOSITORY,
        env=prepared.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().removeprefix("error: ")
        raise PortolanError(f"pulumi {arguments[0]}", said, "mend that, then run again")
    return done.stdout
