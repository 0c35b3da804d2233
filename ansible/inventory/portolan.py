#!/usr/bin/env python3
"""Ansible's dynamic inventory of the site file that PORTOLAN_SITE names (default: sites/sandbox.yaml)."""

import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = REPOSITORY / ".venv" / "bin" / "python"

if __name__ == "__main__":
    site = os.environ.get("PORTOLAN_SITE", str(REPOSITORY / "sites" / "sandbox.yaml"))
    interpreter = str(PYTHON) if PYTHON.exists() else sys.executable
    os.execv(interpreter, [interpreter, "-m", "portolan.inventory", site, *sys.argv[1:]])
