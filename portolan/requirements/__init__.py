"""The report's checkable lines as data, and their loader."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portolan.requirements.loader import load_requirements
    from portolan.requirements.schema import Kind, Requirement, Requirements

__all__ = ["Kind", "Requirement", "Requirements", "load_requirements"]

# Names are imported when they are first asked for: the command line imports every room, and should answer at once.
_HOMES = {
    "Kind": "portolan.requirements.schema",
    "Requirement": "portolan.requirements.schema",
    "Requirements": "portolan.requirements.schema",
    "load_requirements": "portolan.requirements.loader",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_HOMES[name]), name)
