"""Verification without measuring: what it would cost, the evidence of a past run, and two runs side by side."""

from __future__ import annotations

from pathlib import Path

from portolan.conformity.archive import judge_again, latest, read_evidence
from portolan.conformity.compare import compare
from portolan.conformity.cost import steps, total_seconds
from portolan.conformity.depth import Depth
from portolan.conformity.registry import CHECKS
from portolan.conformity.run import Run, site_plan, site_targets
from portolan.errors import PortolanError
from portolan.output import Format, emit, people, table


def print_steps(site: Path, depth: Depth, only: str, output: Format) -> None:
    """Print what a verification would run."""
    planned = steps(site_targets(site, site_plan(site), depth, only), CHECKS, depth)
    seconds = total_seconds(planned)
    if output is not Format.TABLE:
        emit({"depth": depth.value, "seconds": seconds, "steps": [s.model_dump(mode="json") for s in planned]}, output)
        return
    table(
        f"What verification at depth {depth} would run",
        ("check", "subject", "needs", "by", "alone", "seconds"),
        [
            (s.check, s.subject, s.needs, s.by[:70].replace("[", r"\["), "yes" if s.alone else "", f"{s.seconds:g}")
            for s in planned
        ],
    )
    people.print(f"{len(planned)} measurements, about {seconds:.0f} s; nothing was run")


def verify_past(site: Path, folder: Path, depth: Depth, only: str, public_key: str | None = None) -> Run:
    """Return the judgements that today's targets get from the evidence of a past run.

    Raises PortolanError where the evidence is not whole, or another site's.
    """
    plan = site_plan(site)
    kept = read_evidence(latest(folder), CHECKS, public_key)
    if kept.header.get("site") != plan.site:
        raise PortolanError(
            str(kept.folder),
            f"is evidence of site {kept.header.get('site')!r}, not of {plan.site!r}",
            "give the folder of this site, or compare two sites: portolan verify --compare A B",
        )
    if kept.header.get("site_digest") != plan.site_digest:
        people.print("the site file has changed since: targets are today's, evidence is that of then", markup=False)
    depth = max(depth, Depth(str(kept.header.get("depth", Depth.QUICK))), key=list(Depth).index)
    judgements = judge_again(site_targets(site, plan, depth, only), kept)
    return Run(site=plan.site, time=kept.time, judgements=judgements, evidence=kept.folder)


def print_comparison(one: Path, other: Path, output: Format, public_key: str | None = None) -> bool:
    """Print what differs between two runs; return whether a verdict became worse."""
    before, after = (read_evidence(latest(folder), CHECKS, public_key) for folder in (one, other))
    found = compare(before.judgements, after.judgements)
    if output is not Format.TABLE:
        emit([entry.model_dump(mode="json") for entry in found], output)
    else:
        shown = [entry for entry in found if entry.what != "same"]
        table(
            f"{before.header.get('site')} {before.time} and {after.header.get('site')} {after.time}",
            ("what", "check", "subject", "before", "after", "change"),
            [
                (
                    entry.what,
                    entry.check,
                    entry.subject,
                    f"{entry.before or ''} {entry.value_before}".strip(),
                    f"{entry.after or ''} {entry.value_after}".strip(),
                    "" if entry.change is None else f"{entry.change:+.1%}",
                )
                for entry in shown
            ],
        )
        people.print(f"{len(found) - len(shown)} of {len(found)} targets are the same")
    return any(entry.what == "worse" for entry in found)
