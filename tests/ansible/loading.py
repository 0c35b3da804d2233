"""Load the playbooks' own modules and filters, which lie outside any package."""

from __future__ import annotations

from importlib import util
from pathlib import Path
from types import ModuleType

from portolan import paths

ANSIBLE = paths.REPOSITORY / "ansible"


def load(relative: str) -> ModuleType:
    """Return the Python file below ansible/ as a module."""
    path = ANSIBLE / relative
    spec = util.spec_from_file_location(Path(relative).stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
