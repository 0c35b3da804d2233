"""`portolan preflight`, `portolan graph` and `portolan cloud`: a cloud before, while and after it is rented."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from portolan.errors import EXIT_FAILED, PortolanError
from portolan.output import Format, emit, people, table

if TYPE_CHECKING:
    from portolan.cloud.cost import Change, CostLine
    from portolan.sizing.plan import Plan

SHOWN = {True: "yes", False: "NO", None: "not known"}
ROOMS = {"aws": "amazon", "azure": "azure", "gcp": "google"}
SITE = Annotated[Path, typer.Argument(metavar="SITE", help="Site file of topology cloud or hybrid.")]
OUTPUT = Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml.")]
STATE = Annotated[
    Path | None,
    typer.Option(
        "--state", help="Exported stack (pulumi stack export); without it, the site's own state.", exists=True
    ),
]


class Form(StrEnum):
    """How a graph is given."""

    SVG = "svg"
    PNG = "png"
    DOT = "dot"
    MERMAID = "mermaid"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("preflight")(preflight)
    app.command("graph")(graph)
    group = typer.Typer(no_args_is_help=True, help="What a site rents from a cloud: rules, cost, instances.")
    group.command("check")(check)
    group.command("cost")(cost)
    group.command("reconcile")(reconcile)
    group.command("instances")(instances)
    app.add_typer(group, name="cloud")


def preflight(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="aws, azure or gcp")],
    site: SITE,
    output: OUTPUT = Format.TABLE,
) -> None:
    """Ask the provider whether SITE's plan is possible: credentials, instance types, quotas. Changes nothing.

    Exit code 1 where something is missing or not known, 2 where the provider could not be asked.
    """
    if provider not in ROOMS:
        raise PortolanError("preflight", f"there is no provider {provider!r}", f"use one of {', '.join(ROOMS)}")
    plan = _rented(site)
    rented = plan.cloud
    if rented is None or rented.provider != provider:
        own = rented.provider if rented else ""
        raise PortolanError(str(site), f"the site's cloud is {own}", f"run: portolan preflight {own} {site}")
    findings = import_module(f"portolan.cloud.{ROOMS[provider]}").preflight(rented)
    if output is Format.TABLE:
        rows = [(one.name, SHOWN[one.passed], one.needed, one.found, one.remedy) for one in findings]
        table(f"{provider}, {rented.region}", ("what", "good", "needed", "found", "remedy"), rows)
    else:
        emit([one.model_dump(mode="json") for one in findings], output)
    if not all(one.passed for one in findings):
        raise typer.Exit(EXIT_FAILED)


def graph(
    stack: Annotated[
        str,
        typer.Option("--stack", "-s", metavar="STACK", help="A stack's name (aws, azure, gcp, hybrid) or a site file."),
    ],
    output: Annotated[Form, typer.Option("--output", "-o", help="svg, png, dot, mermaid or json.")] = Form.SVG,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Where to write; without it build/graphs/, text on the screen.")
    ] = None,
    platform: Annotated[bool, typer.Option("--platform", help="Draw what stands on the cluster too.")] = False,
    whole: Annotated[bool, typer.Option("--all", help="One box a resource, not one a type.")] = False,
) -> None:
    """Draw what a stack declares: its resources in their components, and what waits for what. Asks no provider."""
    from portolan import paths
    from portolan.cloud import picture
    from portolan.cloud.graph import graph_of
    from portolan.cloud.rehearsal import rehearse

    plan = _plan(_site_of(stack))
    made = graph_of(plan, rehearse(plan, platform).resources, whole)
    people.print(f"{made.title}; {len(made.nodes)} boxes, {len(made.edges)} edges", markup=False)
    if output in (Form.SVG, Form.PNG):
        form: Any = output.value
        target = file or paths.build() / "graphs" / f"{plan.site}.{form}"
        picture.save(picture.draw(made, form), target)
        print(target)
        return
    texts = {
        Form.DOT: lambda: picture.dot(made),
        Form.MERMAID: lambda: picture.mermaid(made),
        Form.JSON: lambda: made.model_dump_json(indent=2) + "\n",
    }
    text = texts[output]()
    if file is None:
        sys.stdout.write(text)
        return
    picture.save(text.encode(), file)
    print(file)


def check(site: SITE, output: OUTPUT = Format.TABLE) -> None:
    """Hold what SITE's stack declares to the report's rules. Asks no provider.

    Exit code 1 where a rule is broken: the line, what was found, what is asked, and how to mend it.
    """
    from portolan.cloud.rehearsal import declared

    plan = _rented(site)
    resources = declared(plan)
    limits = import_module("stacks.policies.limits").limits_of(plan.cloud)
    violations = import_module("stacks.policies.rules").judge_stack(resources, limits)
    if output is Format.TABLE:
        rows = [(one.requirement, one.resource, one.found, one.asked, one.remedy) for one in violations]
        if rows:
            table(f"{plan.site}: rules broken", ("requirement", "resource", "found", "asked", "remedy"), rows)
        people.print(f"{len(resources)} resources, {len(violations)} rules broken", markup=False)
    else:
        emit([{**vars(one)} for one in violations], output)
    if violations:
        raise typer.Exit(EXIT_FAILED)


def cost(site: SITE, state: STATE = None, output: OUTPUT = Format.TABLE) -> None:
    """Say what SITE's stack costs a month, by resource, and how that differs from what was deployed last."""
    from portolan.cloud.preview import cost_of, deployed

    plan = _rented(site)
    lines = cost_of(plan)
    document = deployed(site, state)
    before = cost_of(plan, document) if document else []
    _show_cost(plan, lines, before if document else None, output, "the last deployment")


def reconcile(
    site: SITE,
    state: STATE = None,
    live: Annotated[bool, typer.Option("--live/--refreshed", help="Ask the provider how many hosts run.")] = False,
    output: OUTPUT = Format.TABLE,
) -> None:
    """Compare what SITE's plan costs with what runs: as Pulumi last refreshed it, and with --live as the provider says.

    Exit code 1 where they differ.
    """
    from portolan.cloud.preview import cost_of, deployed, hosts_that_differ

    plan = _rented(site)
    document = deployed(site, state)
    if document is None:
        raise PortolanError(str(site), "the site has no state: nothing was deployed", "run: portolan platform up SITE")
    running = cost_of(plan, document, running=True)
    differing = _show_cost(plan, running, cost_of(plan), output, "the plan", says="runs")
    if live and plan.cloud is not None:
        counted = import_module(f"portolan.cloud.{ROOMS[plan.cloud.provider]}").running(plan.cloud, plan.site)
        for one in hosts_that_differ(plan.cloud, counted):
            people.print(one, markup=False, style="bold red")
            differing = True
    if differing:
        raise typer.Exit(EXIT_FAILED)


def instances(
    site: Annotated[Path | None, typer.Argument(metavar="[SITE]", help="Only the types of this site.")] = None,
    output: OUTPUT = Format.TABLE,
) -> None:
    """List instance types with price, age, the report's lines that they fail, and what succeeds them."""
    from portolan.cloud.instances import described

    plan = _rented(site) if site else None
    named = {pool.instance for pool in plan.cloud.pools} if plan and plan.cloud else None
    found = [one for one in described() if named is None or one.instance in named]
    if output is not Format.TABLE:
        emit([one.model_dump(mode="json") for one in found], output)
        return
    rows = [
        (one.instance, one.size, one.priced, one.aged, "yes" if one.named_by_report else "", one.shortcomings, one.next)
        for one in found
    ]
    columns = ("instance", "size", "USD an hour", "age", "in the report", "fails", "successors")
    table("Instance types", columns, rows)


def _show_cost(
    plan: Plan,
    lines: list[CostLine],
    before: list[CostLine] | None,
    output: Format,
    other: str,
    says: str = "costs",
) -> bool:
    from portolan.cloud.cost import differences, monthly_total

    changes: list[Change] = differences(before, lines) if before is not None else []
    total = monthly_total(lines)
    if output is not Format.TABLE:
        document = {
            "site": plan.site,
            "currency": "USD",
            "monthly": str(total),
            "lines": [json.loads(one.model_dump_json()) for one in lines],
            "changes": None
            if before is None
            else [{**json.loads(one.model_dump_json()), "difference": str(one.difference)} for one in changes],
        }
        emit(document, output)
        return bool(changes)
    rows = [
        (f"{one.resource} ({one.kind.split(':')[-1]})", one.item, f"{one.quantity:.1f} {one.unit}",
         f"{one.unit_price:.4f}", f"{one.monthly:.2f}", one.price_date.isoformat())
        for one in sorted(lines, key=lambda one: -one.monthly)
    ]  # fmt: skip
    columns = ("resource", "priced as", "quantity", "USD each", "USD a month", "price of")
    table(f"{plan.site}: what {says}, by month", columns, [*rows, ("total", "", "", "", f"{total:.2f}", "")])
    if before is None:
        people.print("nothing was deployed yet: no difference to show")
    elif not changes:
        people.print(f"the same as {other}")
    else:
        shown = [
            (f"{one.resource} ({one.kind.split(':')[-1]})", one.item, f"{one.before:.2f}", f"{one.after:.2f}",
             f"{one.difference:+.2f}")
            for one in changes
        ]  # fmt: skip
        sums = f"{total - monthly_total(before):+.2f}"
        table(
            f"difference to {other}",
            ("resource", "priced as", "before", "now", "USD a month"),
            [*shown, ("total", "", f"{monthly_total(before):.2f}", f"{total:.2f}", sums)],
        )
    ceiling = plan.cloud.monthly_budget_dollars if plan.cloud else None
    if ceiling is not None and float(total) > ceiling:
        people.print(f"over the monthly budget of {ceiling:.2f} USD", style="bold red", markup=False)
    return bool(changes)


def _site_of(stack: str) -> Path:
    from portolan import paths

    path = Path(stack)
    if path.is_file():
        return path
    named = paths.REPOSITORY / "sites" / f"{stack}.yaml"
    if named.is_file():
        return named
    known = ", ".join(sorted(one.stem for one in (paths.REPOSITORY / "sites").glob("*.yaml")))
    raise PortolanError(f"stack {stack}", "there is no such site file", f"give the path of one, or one of {known}")


def _plan(site: Path) -> Plan:
    from portolan.requirements import load_requirements
    from portolan.sites.loader import load_site
    from portolan.sizing.engine import size

    return size(load_site(site), load_requirements())


def _rented(site: Path) -> Plan:
    plan = _plan(site)
    if plan.cloud is None:
        raise PortolanError(str(site), "the plan rents nothing from a cloud", "use a site of topology cloud or hybrid")
    return plan
