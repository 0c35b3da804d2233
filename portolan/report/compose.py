"""From a site and its plan to the report in one language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from portolan.costing.book import load_catalogue
from portolan.costing.engine import bought
from portolan.costing.shapes import CatalogueItem, CostReport
from portolan.report.bill import bill_of
from portolan.report.case import Case
from portolan.report.chapters import care, demand, judge, money, place, purchase, summary
from portolan.report.content import Document
from portolan.report.language import Tongue
from portolan.requirements.schema import Requirements
from portolan.sites.schema import Site
from portolan.sizing.plan import Plan

CHAPTERS = (
    demand.workload,
    demand.assumptions,
    demand.trace,
    purchase.bill,
    place.sites,
    money.options,
    money.costs,
    judge.compliance,
    judge.evaluation,
    care.sustainability,
    care.risks,
    care.support,
    money.validity,
)
LABELS = ("contents", "table", "figure", "page", "of", "reference", "issued", "totals", "bill", "summary", "report")


def administration(site: Site, tongue: Tongue) -> str:
    """Return what the report calls the buyer."""
    if site.administration is not None:
        return site.administration.fr if tongue.language == "fr" else site.administration.en
    return site.description or site.name


def compose(
    site: Site,
    plan: Plan,
    requirements: Requirements,
    tongue: Tongue,
    issued: date,
    costs: CostReport | None = None,
    catalogue: Mapping[str, CatalogueItem] | None = None,
) -> Document:
    """Return the report: a pure function, the same site, language, day and costs give the same document."""
    known = load_catalogue() if catalogue is None else catalogue
    priced = None if costs is None else bought(site, costs.chosen, requirements, known)
    case = Case(
        site=site,
        plan=plan,
        requirements=requirements,
        bill=bill_of(site, plan, requirements, tongue, costs, known, priced),
        tongue=tongue,
        issued=issued,
        costs=costs,
        catalogue=known,
        priced_plan=priced,
    )
    first = summary.chapter(case)
    sections = tuple(chapter(case) for chapter in CHAPTERS)
    return Document(
        language=tongue.language,
        title=tongue.say("title"),
        subtitle=tongue.say(
            "subtitle",
            tier=tongue.say(f"tier.{site.tier.value}"),
            topology=tongue.say(f"topology.{site.topology.value}"),
        ),
        administration=administration(site, tongue),
        site=site.name,
        reference=f"{site.name.upper()}-{plan.site_digest[:8].upper()}",
        issued=issued,
        issued_text=tongue.date(issued),
        labels={name: tongue.say(f"labels.{name}") for name in LABELS},
        summary=first,
        sections=sections,
        bill=case.bill,
        untranslated=tuple(sorted(tongue.untranslated)),
    )
