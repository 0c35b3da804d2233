"""The two places outside the repository: one for state, one for caches."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def state() -> Path:
    """Return the directory that holds all state of all sites (`PORTOLAN_STATE`)."""
    chosen = os.environ.get("PORTOLAN_STATE")
    base = os.environ.get("XDG_STATE_HOME", "~/.local/state")
    return Path(chosen or f"{base}/portolan").expanduser().absolute()


def cache() -> Path:
    """Return the directory that holds everything that can be made again (`PORTOLAN_CACHE`)."""
    chosen = os.environ.get("PORTOLAN_CACHE")
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(chosen or f"{base}/portolan").expanduser().absolute()


def site_state(site: str) -> Path:
    """Return the state directory of one site; its content is listed in docs/reference/state.md."""
    return state() / "sites" / site


def build() -> Path:
    """Return the repository's own output directory (reports, benchmark figures), never committed."""
    return REPOSITORY / "build"
