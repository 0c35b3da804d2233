"""Two runs side by side: which verdicts changed, and which figures moved by more than a tenth."""

from __future__ import annotations

from collections.abc import Sequence

from portolan.conformity.evidence import Judgement
from portolan.conformity.judge import show
from portolan.model import Model
from portolan.sizing.plan import Verdict

# Two runs of one check on an idle host differ by a few parts in a hundred; more than this is told. An assumption.
MOVED = 0.1


class Difference(Model):
    """One target of two runs."""

    target: str
    check: str
    subject: str
    before: Verdict | None
    after: Verdict | None
    value_before: str
    value_after: str
    change: float | None  # of the figure, as a part of the first
    what: str  # "same", "moved", "worse", "better", "only before", "only after"


def compare(before: Sequence[Judgement], after: Sequence[Judgement]) -> tuple[Difference, ...]:
    """Return a line for each target of either run, in the order of the first."""
    first, second = ({entry.target.id: entry for entry in entries} for entries in (before, after))
    return tuple(_difference(first.get(name), second.get(name)) for name in dict.fromkeys([*first, *second]))


def _difference(one: Judgement | None, other: Judgement | None) -> Difference:
    known = one or other
    assert known is not None
    change = _change(one, other)
    return Difference(
        target=known.target.id,
        check=known.target.check,
        subject=known.target.subject,
        before=one.verdict if one else None,
        after=other.verdict if other else None,
        value_before=_value(one),
        value_after=_value(other),
        change=change,
        what=_what(one, other, change),
    )


def _value(judgement: Judgement | None) -> str:
    if judgement is None or judgement.evidence.value is None:
        return ""
    return show(judgement.evidence.value, judgement.evidence.unit)


def _change(one: Judgement | None, other: Judgement | None) -> float | None:
    values = [entry.evidence.value if entry else None for entry in (one, other)]
    before, after = values
    if isinstance(before, float) and isinstance(after, float) and before != 0:
        return (after - before) / abs(before)
    return None


def _what(one: Judgement | None, other: Judgement | None, change: float | None) -> str:
    if one is None:
        return "only after"
    if other is None:
        return "only before"
    order: tuple[Verdict, ...] = ("fail", "not-measured", "pass")
    step = order.index(other.verdict) - order.index(one.verdict)
    if step:
        return "better" if step > 0 else "worse"
    return "moved" if change is not None and abs(change) > MOVED else "same"
