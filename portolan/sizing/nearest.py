"""What somebody may have meant who named a number that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 3
ALIKE = 0.5  # of difflib's ratio; below it a name is a guess


def remedy(item: str, known: Iterable[str], everything: str) -> str:
    """Return what to write instead: the names below `item`, else the nearest, and where to see `everything`.

    >>> remedy("services.b", ["services.a.replicas", "services.b.replicas"], "portolan size SITE")
    'did you mean services.b.replicas?'
    >>> remedy("zebra", ["services.a.replicas"], "portolan size SITE")
    'the nearest is services.a.replicas; all are in: portolan size SITE'
    """
    names = list(known)
    inside = [name for name in names if name.startswith(f"{item}.")]
    near = inside or get_close_matches(item, names, n=SHOWN, cutoff=ALIKE)
    if near:
        rest = f" (and {len(near) - SHOWN} more below it)" if len(near) > SHOWN else ""
        return f"did you mean {', '.join(near[:SHOWN])}{rest}?"
    nearest = get_close_matches(item, names, n=SHOWN, cutoff=0.0)
    if not nearest:
        return f"all are in: {everything}"
    return f"the nearest {'is' if len(nearest) == 1 else 'are'} {', '.join(nearest)}; all are in: {everything}"
