"""Measure what the plan's targets ask for, hosts side by side, and judge each measurement."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from portolan.conformity.check import Check, Reading, Scope, nothing
from portolan.conformity.evidence import Evidence, Judgement
from portolan.conformity.judge import judge
from portolan.conformity.reach import HostUnreachableError
from portolan.conformity.world import World
from portolan.sizing.plan import Target

# A clock that is set forward or back by more than this while something is measured makes its time worthless.
CLOCK_JUMP_SECONDS = 5.0
# A run of days drifts: a clock that is being disciplined is slewed by at most 500 parts in a million.
CLOCK_DRIFT = 5e-4


def verify(
    world: World,
    targets: Sequence[Target],
    checks: Mapping[str, Check],
    note: Callable[[Judgement], None] = lambda judgement: None,
) -> tuple[Judgement, ...]:
    """Return a judgement for every target, in the targets' order; `note` sees each as soon as it is there.

    Subjects (a host, the cluster, the platform, an endpoint) are looked at side by side, the checks of one subject one
    after the other; what times something runs alone, after the others, for they would be in its way. What cannot be
    measured is not-measured with its reason: nothing is raised for a world that fails.
    """
    found: dict[str, Judgement] = {}
    clock = Clock()

    def look(group: Iterable[Target]) -> None:
        for target in group:
            found[target.id] = judge(target, clock.checked(measure(world, target, checks.get(target.check))))
            note(found[target.id])

    by_subject: dict[str, list[Target]] = {}
    timed: list[Target] = []
    for target in targets:
        check = checks.get(target.check)
        alone = check is not None and check.needs.alone
        group = timed if alone else by_subject.setdefault(target.subject, [])
        group.append(target)
    with ThreadPoolExecutor(max_workers=max(1, len(by_subject))) as pool:
        for done in [pool.submit(look, group) for group in by_subject.values()]:
            done.result()
    look(timed)
    return tuple(found[target.id] for target in targets)


class Clock:
    """Tells whether the wall clock went on as time did since it was made."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._began = wall(), monotonic()

    def jump(self) -> float:
        """Return by how many seconds the wall clock was set since then; nought for a clock that merely drifts."""
        elapsed = self._monotonic() - self._began[1]
        offset = self._wall() - self._began[0] - elapsed
        return offset if abs(offset) > CLOCK_JUMP_SECONDS + elapsed * CLOCK_DRIFT else 0.0

    def checked(self, evidence: Evidence) -> Evidence:
        """Return the evidence, without its value where the clock has jumped: when it was measured is not known."""
        offset = self.jump()
        if not offset:
            return evidence
        reason = f"this machine's clock was set by {offset:+.0f} s while this verification ran: its times mean nothing"
        return evidence.model_copy(update={"value": None, "reason_not_measured": reason})


def measure(world: World, target: Target, check: Check | None) -> Evidence:
    """Return the evidence for one target; a check of that name and statistic is run once per subject."""
    subject = target.subject.rpartition("/")[2]
    if check is None:
        reading = nothing(f"no check is called {target.check!r}")
    elif target.statistic not in check.statistics:
        reading = nothing(f"check {check.name} gives {', '.join(check.statistics)}, not {target.statistic}")
    else:
        key = f"reading/{check.name}/{subject}/{target.statistic}"
        chosen = check
        reading = world.remember(key, lambda: _read(world, chosen, subject, target.statistic))
    method = check.method if check else ""
    return Evidence(
        value=reading.value,
        unit=check.unit if check else target.unit,
        method=method if target.statistic == "value" else f"{method} ({target.statistic})",
        host=subject if check is not None and check.scope is Scope.HOST else socket.gethostname(),
        time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        detail=reading.detail,
        reason_not_measured=reading.reason_not_measured,
        simulated=reading.simulated,
        ground=check.ground if check else "inspected",
        tools=dict(reading.tools),
        raw=reading.raw,
    )


def _read(world: World, check: Check, subject: str, statistic: str) -> Reading:
    try:
        return check.measure(world, subject, statistic)
    except HostUnreachableError as error:
        return nothing(f"unreachable while it was measured: {error}")
    except LookupError as error:
        return nothing(str(error.args[0]) if error.args else repr(error))
    except Exception as error:
        # Whatever stops a check from measuring, the answer is the same: nothing was measured, and here is why.
        return nothing(f"{type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    reason = getattr(error, "reason", None)  # the Kubernetes client's and urllib3's own words
    text = str(reason or error).strip() or repr(error)
    return text.splitlines()[0][:300]
