"""The platform as a Pulumi program: `portolan platform up SITE`, or `eval "$(portolan env SITE)"; pulumi up`."""

from __future__ import annotations

import sys
from pathlib import Path

# The engine puts this folder first on the module path, where `platform` would hide Python's own module of that name.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != _HERE)]

from stacks import settings  # noqa: E402
from stacks.entry import declare  # noqa: E402

declare(settings.load())
