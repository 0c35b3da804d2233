"""One run of a real tool on a host: bounded, alone on the host, cleaned up after, its whole output kept.

A probe is data: the tool, its arguments by depth, the seconds that it may take. What its output means is the affair of
pure functions, which never see a host.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Ground, Needs, Reading, nothing
from portolan.conformity.depth import Depth, by_depth
from portolan.model import Model

if TYPE_CHECKING:
    from portolan.conformity.world import World

MISSING, BUSY, NO_ROOM, CANNOT_LOCK = 127, 75, 74, 76
TIMED_OUT = frozenset({124, 137})
ACCELERATOR = "an NVIDIA GPU"
HOST_ADDRESS = "ADDRESS"  # among a probe's words: the address of the host that it runs on
GRACE_SECONDS = 20  # beyond what the tool asks for itself: a slow disk lays out its file first
# $1: tool, $2: seconds until it is ended, $3: whether it must be alone on the host, $4: bytes that it will write;
# the rest is its command line. The tool works in an empty directory of its own on the file system that holds
# /var/lib, which goes when it ends; `timeout` ends it even where nobody waits for it any more, and so does the end of
# the connection that it was asked for over: sudo keeps that from it, so the SSH server's process is watched.
RUN = r"""
tool=$1; limit=$2; alone=$3; bytes=$4; shift 4
command -v "$tool" >/dev/null 2>&1 || exit 127
if [ "$alone" = yes ]; then
  exec 9>/run/portolan-measure.lock || exit 76
  flock -n 9 || exit 75
fi
if [ "$bytes" -gt 0 ]; then
  set -- "$bytes" "$@"
  room=$(df -B1 --output=avail,size /var/lib | tail -n 1)
  available=${room% *}; size=${room##* }
  if [ $((available - $1)) -lt $((size / 20)) ]; then
    echo "$((available)) bytes are free, $1 are to be written, and a twentieth of $size must stay free" >&2; exit 74
  fi
  shift
fi
place=$(mktemp -d /var/lib/portolan-measure.XXXXXX) || exit 74
trap 'cd /; rm -rf "$place"' EXIT
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
cd "$place" || exit 74
watched=$PPID; above=$PPID
while [ "$above" -gt 1 ]; do
  case $(cat "/proc/$above/comm" 2>/dev/null) in sshd*) watched=$above; break;; esac
  above=$(awk '{print $4}' "/proc/$above/stat" 2>/dev/null || echo 0)
  above=${above:-0}
done
timeout -k 5 "$limit" "$@" 9>&- &
child=$!
trap 'kill "$child" 2>/dev/null; wait "$child"; cd /; rm -rf "$place"' EXIT
while kill -0 "$child" 2>/dev/null; do
  [ -d "/proc/$watched" ] || exit 129
  sleep 0.1
done
wait "$child"
"""


class UnreadableOutputError(Exception):
    """A tool printed something that its reader does not know."""


class ToolRun(Model):
    """What a tool printed, and how it was run; this is what is kept as raw output."""

    tool: str
    version: str
    argv: tuple[str, ...]
    status: int
    output: str
    errors: str
    seconds: float

    def as_raw(self) -> str:
        """Return the text that is kept."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, indent=1) + "\n"


Reader = Callable[[str], Mapping[str, Reading]]


@dataclass(frozen=True)
class Probe:
    """A tool and how it is run; `argv` gives the command line for a depth and the seconds that it may load the host."""

    name: str
    tool: str
    argv: Callable[[Depth, float], tuple[str, ...]]
    read: Reader  # standard output to readings by the name that a check asks for
    version: tuple[str, ...] = ()  # what prints the tool's version; nothing: TOOL --version
    seconds: Mapping[Depth, float] = field(default_factory=lambda: by_depth(1))
    alone: bool = False
    writes_bytes: int = 0
    good_statuses: frozenset[int] = frozenset({0})
    package: str = ""  # the Debian package that brings the tool
    no_device: str = ""  # what it means that the tool is there and fails: the device is not

    def reading(self, run: ToolRun, key: str) -> Reading:
        """Return what a run says about `key`; pure. What cannot be read is not measured, with the reason."""
        reason = self._why_not(run)
        if reason:
            return self._with_origin(nothing(reason), run)
        try:
            reading = self.read(run.output).get(key)
        except (UnreadableOutputError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            said = f"{type(error).__name__}: {error}" if not isinstance(error, UnreadableOutputError) else str(error)
            reading = nothing(f"{self.tool} ({run.version}) printed what is not understood: {said}")
        return self._with_origin(reading or nothing(f"{self.tool} ({run.version}) says nothing of {key}"), run)

    def _with_origin(self, reading: Reading, run: ToolRun) -> Reading:
        return replace(reading, raw=run.as_raw(), tools={run.tool: run.version})

    def _why_not(self, run: ToolRun) -> str:
        said = (run.errors.strip().splitlines() or ["no message"])[-1]
        if run.status in self.good_statuses:
            return ""
        if run.status == MISSING:
            return f"{self.tool} is not installed (Debian package {self.package or self.tool})"
        if run.status == BUSY:
            return "another measurement runs on this host; two at once would measure each other"
        if run.status == NO_ROOM:
            return f"not enough free space to measure without harm: {said}"
        if run.status in TIMED_OUT:
            return f"{self.tool} did not end in {run.seconds:.0f} s and was stopped"
        if self.no_device:
            return self.no_device if self.no_device in said else f"{self.no_device} (status {run.status}: {said})"
        return f"{self.tool} ended with status {run.status}: {said}"

    def reread(self, raw: str, key: str) -> Reading:
        """Return the reading again from the text that was kept.

        Raises ValueError where the text is no such run.
        """
        return self.reading(ToolRun.model_validate_json(raw), key)

    def run(self, world: World, host: str) -> ToolRun:
        """Run the tool once on a host; the checks that read it share the run."""
        return world.remember(f"probe/{self.name}/{host}", lambda: self._run(world, host))

    def _run(self, world: World, name: str) -> ToolRun:
        seconds = self.seconds[world.depth]
        address = world.host(name).address.address
        argv = tuple(address if word == HOST_ADDRESS else word for word in self.argv(world.depth, seconds))
        return self.run_argv(world, name, argv, seconds, time.monotonic())

    def run_argv(self, world: World, name: str, argv: tuple[str, ...], seconds: float, begin: float) -> ToolRun:
        """Run the tool with this command line on a host; it is ended `GRACE_SECONDS` after its own seconds."""
        host = world.host(name)
        version = host.shell(
            'command -v "$1" >/dev/null || exit 127; "$@" 2>&1 | head -n 1', *(self.version or (self.tool, "--version"))
        )
        limit = f"{seconds + GRACE_SECONDS:.0f}"
        answer = host.shell(RUN, self.tool, limit, "yes" if self.alone else "no", str(self.writes_bytes), *argv)
        return ToolRun(
            tool=self.tool,
            version=version.output.strip() or "unknown",
            argv=argv,
            status=answer.status,
            output=answer.output,
            errors=answer.errors,
            seconds=round(time.monotonic() - begin, 3),
        )

    def check(
        self,
        name: str,
        measures: str,
        unit: str,
        key: str = "",
        ground: Ground = "measured",
        depth: Depth = Depth.STANDARD,
        statistics: tuple[str, ...] = ("value",),
        device: str = "",
    ) -> Check:
        """Return a check that reads `key` of this probe; with several statistics the key is "KEY/STATISTIC"."""
        base = key or name

        def named(statistic: str) -> str:
            return base if statistic == "value" else f"{base}/{statistic}"

        def measure(world: World, subject: str, statistic: str) -> Reading:
            if device == ACCELERATOR and world.simulated_accelerators(subject):
                return nothing("the host's accelerators are simulated: there is no device to measure")
            return self.reading(self.run(world, subject), named(statistic))

        needs = Needs(device=device, tools=(self.tool,), alone=self.alone, seconds=self.seconds, shares=self.name)
        return Check(
            name,
            measures,
            unit,
            " ".join(_shortened(self.argv(Depth.STANDARD, self.seconds[Depth.STANDARD]))),
            measure,
            statistics,
            depth,
            ground,
            needs,
            lambda raw, statistic: self.reread(raw, named(statistic)),
        )


def _shortened(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command line for people: a whole program among its words is left out."""
    return tuple(word if "\n" not in word else "PROGRAM" for word in argv)


def document(output: str, *keys: str) -> dict[str, Any]:
    """Return a tool's JSON document that must have these keys.

    Raises UnreadableOutputError where it is none.
    """
    try:
        found = json.loads(output)
    except ValueError:
        raise UnreadableOutputError(f"no JSON in {output.strip()[:60]!r}") from None
    missing = [key for key in keys if not isinstance(found, dict) or key not in found]
    if missing:
        raise UnreadableOutputError(f"no {', '.join(missing)} in its JSON")
    whole: dict[str, Any] = found
    return whole
