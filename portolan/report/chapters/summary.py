"""One page for those who decide."""

from __future__ import annotations

from portolan.costing.shapes import total_of
from portolan.report.case import Case, cells, total
from portolan.report.chapters.money import lower, ranges_figure, sentences
from portolan.report.content import Cell, Column, Fact, Facts, Figure, Paragraph, Section, Table
from portolan.sites.schema import HostRole


def chapter(case: Case) -> Section:
    """Return the decision summary."""
    load = case.site.workload
    say = case.say
    return Section(
        id="summary",
        title=say("summary.title"),
        blocks=(
            Paragraph(
                role="lead",
                text=say(
                    "summary.lead",
                    declarations=case.tongue.number(load.declarations_per_day),
                    data=case.tongue.quantity(
                        (load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day) * 1e9, "bytes"
                    ),
                    tier=say(f"tier.{case.site.tier.value}"),
                    topology=say(f"topology.{case.site.topology.value}"),
                ),
            ),
            Facts(items=_facts(case)),
            _glance(case),
            *_ranges(case),
            *_sandbox(case),
            _signatures(case),
        ),
    )


def _facts(case: Case) -> tuple[Fact, ...]:
    plan = case.bought
    rented = plan.host_provider == "cloud"
    servers = sum(int(pool.count) for pool in plan.pools)
    workers = sum(int(pool.count) for pool in plan.pools if pool.role is HostRole.WORKER)
    accelerators = int(total(plan.pools, "accelerators"))
    for pool in case.rented_beside:
        servers += int(pool.count)
        workers += int(pool.count)
        accelerators += int(pool.count) * pool.accelerators
    known = servers > 0
    simulated = any(pool.accelerators_simulated for pool in plan.pools)
    price, yearly = case.bill.total("supply"), case.bill.total("recurrent")
    recurrent = (
        ()
        if yearly is None or case.bill.currency is None
        else (
            Fact(
                label=case.say("facts.yearly"),
                value=case.tongue.money(yearly, case.bill.currency, cents=False),
                detail=case.say("facts.yearly_detail"),
            ),
        )
    )
    return (
        Fact(
            label=case.say("facts.servers"),
            value=case.tongue.number(servers) if known else case.say("none"),
            detail=case.say("facts.rented") if rented else case.tongue.count("facts.workers", workers),
        ),
        Fact(
            label=case.say("facts.accelerators"),
            value=case.tongue.number(accelerators) if known else case.say("none"),
            detail=case.say("facts.simulated" if simulated else "facts.accelerators_detail"),
        ),
        Fact(
            label=case.say("facts.storage"),
            value=case.shown(plan.storage.object_store_bytes),
            detail=case.say("facts.storage_detail"),
        ),
        Fact(
            label=case.say("facts.price"),
            value=(
                case.say("facts.unpriced")
                if price is None or case.bill.currency is None
                else case.tongue.money(price, case.bill.currency, cents=False)
            ),
            detail=case.say("facts.unpriced_detail" if price is None else "facts.price_detail"),
        ),
        *recurrent,
    )


def _glance(case: Case) -> Table:
    musts = [row for row in case.binding if row.level == "must"]
    checked = {target.requirement for target in case.tests}
    priced = case.bill.total("supply") is not None
    answers = {
        "decision": case.tongue.count("glance.decision_text", len(case.bill.lines)),
        "requirements": case.say(
            "glance.requirements_text",
            all=case.tongue.number(len(case.binding)),
            musts=case.tongue.number(len(musts)),
        ),
        "acceptance": case.say(
            "glance.acceptance_text",
            checks=case.tongue.number(len(case.tests)),
            rows=case.tongue.number(len(checked)),
        ),
        "availability": case.say(
            "glance.availability_text",
            share=case.tongue.percent(case.site.workload.availability, 2),
            hours=case.tongue.number(round((1 - case.site.workload.availability) * 8760, 1)),
        ),
        "price": _price(case) if priced else case.say("glance.unpriced_text"),
        "reservations": " ".join(
            text for text in (_beyond_the_load(case), sentences(case, (*case.plan.warnings, *case.warnings))) if text
        )
        or case.say("glance.no_reservations"),
    }
    return Table(
        id="glance",
        caption=case.say("glance.caption"),
        columns=(
            Column(title=case.say("glance.question"), width=1.1),
            Column(title=case.say("glance.answer"), width=3.4),
        ),
        rows=tuple(
            (Cell(text=case.say(f"glance.{name}"), role="strong"), Cell(text=answer))
            for name, answer in answers.items()
        ),
    )


def _beyond_the_load(case: Case) -> str:
    """Return that more GPUs are bought than the load needs, what they cost and why; nothing where it needs them all."""
    option, plan = case.option, case.bought
    needed = int(plan.years[-1].accelerators) if plan.years else int(total(plan.pools, "accelerators"))
    bought = int(total(plan.pools, "accelerators"))
    if option is None or plan.host_provider == "cloud" or needed >= bought:
        return ""
    lines = [line for line in option.bill.lines if line.item.startswith(f"bill.{option.name}.gpu-")]
    spent = total_of(line.total for line in lines if line.category == "capex")
    hosts = sum(int(pool.count) for pool in plan.pools if float(pool.accelerators))
    key = "glance.no_gpu_needed" if needed == 0 else "glance.fewer_gpus_needed"
    return case.tongue.count(
        key,
        hosts,
        bought=case.tongue.number(bought),
        needed=case.tongue.number(needed),
        amount=case.tongue.money(spent, option.bill.currency, cents=False),
    )


def _ranges(case: Case) -> tuple[Figure, ...]:
    if case.costs is None:
        return ()
    return (ranges_figure(case, case.costs).model_copy(update={"id": "summary-ranges"}),)


def _price(case: Case) -> str:
    costs, option = case.costs, case.option
    if costs is None or option is None:
        return case.say("glance.price_text")
    money, say = case.money, case.say
    best = costs.option(costs.ranks.likely_order[0])
    estimate = say(
        "glance.estimate",
        present=money(option.present_value),
        middle=money(option.range.p50),
        currency=costs.currency,
        years=case.tongue.number(costs.horizon_years),
        low=money(option.range.p10),
        high=money(option.range.p90),
    )
    compared = say(
        "glance.cheapest" if best.name == option.name else "glance.not_cheapest",
        best=lower(say(f"option.{best.name}")),
        gap=money(option.present_value - best.present_value),
        currency=costs.currency,
        share=case.tongue.percent(costs.ranks.cheapest[best.name]),
    )
    return f"{estimate} {compared}"


def _sandbox(case: Case) -> tuple[Paragraph, ...]:
    if case.plan.host_provider != "sandbox":
        return ()
    return (Paragraph(role="warning", text=case.say("summary.sandbox")),)


def _signatures(case: Case) -> Table:
    return Table(
        id="signatures",
        caption=case.say("signatures.caption"),
        columns=tuple(
            Column(title=case.say(f"signatures.{name}"), width=width)
            for name, width in (("role", 1.4), ("name", 1.6), ("date", 1.0), ("signature", 1.6))
        ),
        rows=tuple(cells(case.say(f"signatures.{who}"), "", "", "") for who in ("prepared", "reviewed", "approved")),
    )
