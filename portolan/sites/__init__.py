"""What a customs administration describes: its workload, topology and hosts."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portolan.sites.loader import load_site
    from portolan.sites.schema import Host, Site

__all__ = ["Host", "Site", "load_site"]

# Names are imported when they are first asked for: the command line imports every room, and should answer at once.
_HOMES = {
    "Host": "portolan.sites.schema",
    "Site": "portolan.sites.schema",
    "load_site": "portolan.sites.loader",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_HOMES[name]), name)
