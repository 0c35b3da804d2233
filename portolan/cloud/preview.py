"""The cost that a preview shows: what the program declares, what was deployed, what runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portolan import paths
from portolan.cloud.cost import CostLine, monthly_lines
from portolan.cloud.rehearsal import declared
from portolan.cloud.resources import of_state
from portolan.cloud.resources import running as running_resources
from portolan.costing.book import load_catalogue
from portolan.errors import PortolanError
from portolan.sites.loader import load_site
from portolan.sizing.parts import CloudPlan
from portolan.sizing.plan import Plan


def cost_of(plan: Plan, document: Mapping[str, Any] | None = None, running: bool = False) -> list[CostLine]:
    """Return the month's cost of what the program declares, or of an exported stack: as deployed, or as it runs."""
    read = running_resources if running else of_state
    resources = declared(plan) if document is None else read(document)
    return monthly_lines(resources, plan.cloud, load_catalogue())


def deployed(site: Path, exported: Path | None = None) -> dict[str, Any] | None:
    """Return the exported stack of a site; None where nothing was deployed yet.

    Raises PortolanError where the file is no export.
    """
    if exported is not None:
        try:
            document: dict[str, Any] = json.loads(exported.read_text(encoding="utf-8"))
            document["deployment"].get("resources")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PortolanError(
                str(exported), "is no exported stack", "write it with: pulumi stack export --file FILE"
            ) from error
        return document
    if not (paths.site_state(load_site(site).name) / "pulumi" / "backend").is_dir():
        return None
    from portolan.platform.program import export_stack

    return export_stack(str(site))


def hosts_that_differ(plan: CloudPlan, counted: Counter[str]) -> list[str]:
    """Return a sentence for each instance type of which fewer or more run than the plan's pools allow."""
    least: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for pool in plan.pools:
        least[pool.instance] += pool.least
        most[pool.instance] += max(pool.most, int(pool.count))
    said = []
    for instance in sorted({*most, *counted}):
        runs = counted[instance]
        if not least[instance] <= runs <= most[instance]:
            said.append(f"{instance}: {runs} run, the plan has {least[instance]} to {most[instance]}")
    return said
