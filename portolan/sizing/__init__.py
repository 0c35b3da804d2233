"""From a site's workload to the plan that everything else reads."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portolan.sizing.engine import size
    from portolan.sizing.plan import Plan

__all__ = ["Plan", "size"]

# Names are imported when they are first asked for: the command line imports every room, and should answer at once.
_HOMES = {
    "Plan": "portolan.sizing.plan",
    "size": "portolan.sizing.engine",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_HOMES[name]), name)
