"""Imported before LightGBM by a server: keeps out what LightGBM would import only because it is installed.

It looks for them for tables that a server never gets. They take some 30 MiB, which the image, where they are not
installed, does not need either.
"""

from __future__ import annotations

import sys

for _name in ("pandas", "sklearn"):
    if _name not in sys.modules:
        sys.modules[_name] = None  # type: ignore[assignment]  # an import of it fails as if it were not there
