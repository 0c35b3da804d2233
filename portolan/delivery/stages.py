"""Run stages one after the other: a progress line each, the times, and where to go on after a stop.

Every stage is idempotent, so a second run passes quickly through what stands and continues where the
first one stopped. What happened is kept in the site's `up.json`, written after every change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from portolan.files import write_atomically
from portolan.model import Model
from portolan.output import people


@dataclass(frozen=True)
class Stage:
    """One step towards the platform; `run` returns one line that says what stands now."""

    name: str
    title: str
    run: Callable[[], str]


class StageRecord(Model):
    """How the last run of one stage went."""

    name: str
    state: Literal["running", "done", "failed"]
    started: str
    seconds: float
    result: str = ""


class Record(Model):
    """How the last `portolan up` of a site went."""

    site: str
    stages: tuple[StageRecord, ...] = ()

    def with_stage(self, stage: StageRecord) -> Record:
        """Return the record with `stage` in place of an earlier one of the same name.

        >>> one = StageRecord(name="plan", state="running", started="", seconds=0)
        >>> two = one.model_copy(update={"state": "done"})
        >>> [s.state for s in Record(site="x").with_stage(one).with_stage(two).stages]
        ['done']
        """
        others = tuple(known for known in self.stages if known.name != stage.name)
        return Record(site=self.site, stages=(*others, stage))


def read_record(path: Path, site: str) -> Record:
    """Return the record at `path`, or an empty one where there is none that can be read."""
    try:
        return Record.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Record(site=site)


def run_stages(site: str, stages: Sequence[Stage], record_path: Path) -> Record:
    """Run the stages in order, keep the record, and print where the time went.

    A stage's error is recorded and raised again: nothing after it runs.
    """
    record = Record(site=site)
    width = max(len(stage.title) for stage in stages)
    for number, stage in enumerate(stages, start=1):
        prefix = f"[{number}/{len(stages)}] {stage.title:<{width}}"
        people.print(f"{prefix} ...", markup=False)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        begin = time.monotonic()

        def note(state: Literal["running", "done", "failed"], result: str = "") -> None:
            nonlocal record
            seconds = round(time.monotonic() - begin, 1)  # noqa: B023 - called within the same iteration
            entry = StageRecord(name=stage.name, state=state, started=started, seconds=seconds, result=result)  # noqa: B023
            record = record.with_stage(entry)
            write_atomically(record_path, record.model_dump_json(indent=2))

        note("running")
        try:
            result = stage.run()
        except BaseException as error:
            note("failed", str(error) or type(error).__name__)
            people.print(f"{prefix} stopped after {time.monotonic() - begin:.0f} s", markup=False)
            raise
        note("done", result)
        people.print(f"{prefix} {result} ({time.monotonic() - begin:.1f} s)", markup=False)
    _print_times(record)
    return record


def _print_times(record: Record) -> None:
    total = sum(stage.seconds for stage in record.stages) or 1.0
    people.print("\nwhere the time went:")
    for stage in record.stages:
        share = stage.seconds / total
        people.print(
            f"  {stage.name:<10} {stage.seconds:>8.1f} s {share:>6.1%} {'█' * round(share * 30)}", markup=False
        )
    people.print(f"  {'total':<10} {total:>8.1f} s", markup=False)
