"""Where the items of the CIS benchmarks lie, and which kinds of check they may name."""

from __future__ import annotations

from portolan import paths

DATA = paths.REPOSITORY / "ansible" / "roles" / "hardening" / "files" / "cis.yaml"
CHECKED = ("ssh", "parameter", "mode", "absent", "file", "firewall", "service")
