"""The plan on paper: tables for people, one document for programs."""

from __future__ import annotations

from pathlib import Path

from portolan.errors import PortolanError
from portolan.output import Format, emit, people, table
from portolan.sizing.plan import Plan, Quantity

STEPS = {"bytes": ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")), "bits/s": ((1e9, "Gbit/s"), (1e6, "Mbit/s"))}


def human(quantity: Quantity) -> str:
    """Return a number as people read it.

    >>> from portolan.sizing.reasons import constant, decide
    >>> human(decide("bytes", constant("x", 32e9, "")))
    '32 GB'
    """
    for factor, unit in STEPS.get(quantity.unit, ()):
        if abs(quantity.value) >= factor:
            return f"{quantity.value / factor:.3g} {unit}"
    return f"{quantity.value:.10g} {quantity.unit}"


def emit_plan(plan: Plan, output: Format) -> None:
    """Print the plan as one JSON or YAML document on standard output."""
    emit(plan.model_dump(mode="json"), output)


def write(plan: Plan, path: Path) -> None:
    """Write the plan as JSON, whole or not at all.

    Raises PortolanError where the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(plan.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True) if draft.parent.is_dir() else None
        raise PortolanError(
            str(path),
            f"cannot write the plan: {error.strerror}",
            "give --out a file in a folder that exists and is yours",
        ) from error


def _print_rest(plan: Plan) -> None:
    """Print what the load asks beside nodes, the instances of each cloud, and the years."""
    rooms = (
        "accelerators",
        "streaming",
        "notebooks",
        "registry",
        "monitoring",
        "backup",
        "traffic",
        "spares",
        "facility",
    )
    rows = [
        (f"{room}.{name}", human(quantity), quantity.binding)
        for room in rooms
        for name, quantity in (getattr(plan, room) or ())
        if isinstance(quantity, Quantity) and quantity.value
    ]
    if rows:
        table("Further parts", ("what", "how much", "what binds"), rows)
    if plan.hardware:
        table(
            "Hardware from the catalogue",
            ("purpose", "item", "count"),
            [(item.purpose, item.name, f"{int(item.count)}") for item in plan.hardware],
        )
    if plan.clouds:
        table(
            "The whole load in each cloud",
            ("provider", "pool", "instance", "count", "hours a month"),
            [
                (cloud.provider, pool.pool, pool.instance, f"{int(pool.count)}", f"{pool.hours_per_month:g}")
                for cloud in plan.clouds
                for pool in cloud.pools
            ],
        )
    if plan.years:
        table(
            "Each year of the horizon",
            ("year", "declarations/s", "cores", "memory", "GPUs", "object store"),
            [
                (
                    f"{year.year}",
                    f"{year.arrivals_per_second.value:.3g}",
                    f"{year.cpu_cores.value:.3g}",
                    human(year.memory_bytes),
                    f"{int(year.accelerators)}",
                    human(year.object_store_bytes),
                )
                for year in plan.years
            ],
        )


def print_tables(plan: Plan) -> None:
    """Print the plan for people; the warnings go to standard error."""
    tier = f"{plan.tier.value}, {plan.topology.value}"
    table(
        f"Node pools of {plan.site} ({tier})",
        ("pool", "nodes", "cores", "memory", "disk", "accelerators", "what binds"),
        [
            (
                pool.name,
                f"{int(pool.count)}",
                f"{int(pool.cpu_cores)}",
                human(pool.memory_bytes),
                human(pool.disk_bytes),
                f"{int(pool.accelerators)}" + (" simulated" if pool.accelerators_simulated else ""),
                f"cores {pool.cpu_cores.binding}, memory {pool.memory_bytes.binding}, disk {pool.disk_bytes.binding}",
            )
            for pool in plan.pools
        ],
    )
    table(
        "Services, for each replica",
        ("service", "replicas", "cpu", "memory", "what binds"),
        [
            (
                service.name,
                f"{int(service.replicas)}",
                f"{int(service.cpu_millicores)}m",
                f"{int(service.memory_mebibytes)} MiB",
                f"replicas {service.replicas.binding}, cpu {service.cpu_millicores.binding}, "
                f"memory {service.memory_mebibytes.binding}",
            )
            for service in plan.services
        ],
    )
    rest = {
        "object store": plan.storage.object_store_bytes,
        "block storage": plan.storage.block_bytes,
        "network file system": plan.storage.network_file_system_bytes,
        "link of a node": plan.network.node_link_bits_per_second,
    }
    table(
        "Storage and network",
        ("what", "how much", "what binds"),
        [(name, human(quantity), quantity.binding) for name, quantity in rest.items()],
    )
    _print_rest(plan)
    simulated = sum(target.simulated for target in plan.targets)
    print(
        f"{len(plan.targets)} targets to verify" + (f", {simulated} of them on simulated hardware" if simulated else "")
    )
    for warning in plan.warnings:
        people.print(f"warning: {warning}", markup=False, soft_wrap=True)
