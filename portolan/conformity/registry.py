"""All checks by name; docs/reference/checks.md describes each."""

from __future__ import annotations

from portolan.conformity import cluster, endpoints, hosts, platform
from portolan.conformity.check import Check

CHECKS: dict[str, Check] = {
    check.name: check for check in (*hosts.CHECKS, *cluster.CHECKS, *platform.CHECKS, *endpoints.CHECKS)
}
