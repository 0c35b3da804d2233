"""The priced lines of the chosen option as lines that a bidder quotes: functional, never by brand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from portolan.costing import shapes
from portolan.report.content import BillLine
from portolan.report.language import Tongue
from portolan.report.specifications import group_name, pool_specification
from portolan.requirements.schema import Requirements
from portolan.sites.schema import HostRole, Site
from portolan.sizing.parts import BackupPlan
from portolan.sizing.plan import NodePool, Plan

# What the administration pays itself, and no bidder quotes.
OWN: Final = frozenset({"energy", "engineer"})
# UN/CEFACT recommendation 20: one, terabyte, gigabyte, hour, day, month, year.
UNIT_CODES: Final = {
    "each": "C62",
    "TB": "E35",
    "GB": "E34",
    "GB-month": "E34",
    "hour": "HUR",
    "day": "DAY",
    "month": "MON",
    "year": "ANN",
}
GPU_LINES: Final = ("GPU-9.6.3-01", "GPU-9.6.3-02", "GPU-9.6.3-03", "GPU-9.6.3-04")


def own_lines(option: shapes.Option) -> tuple[shapes.BillLine, ...]:
    """Return what the administration pays itself each year: energy and staff."""
    return tuple(line for line in option.bill.lines if line.catalogue_item in OWN)


@dataclass(frozen=True)
class Estimate:
    """The chosen option, and the plan for which it was priced."""

    site: Site
    plan: Plan  # of today's load: its targets are what is accepted
    bought: Plan  # of the load for which is bought
    requirements: Requirements
    tongue: Tongue
    option: shapes.Option
    catalogue: Mapping[str, shapes.CatalogueItem]

    def lines(self) -> Iterator[BillLine]:
        """Yield the lines, without numbers."""
        for line in self.option.bill.lines:
            if line.catalogue_item not in OWN:
                yield self._line(line)

    def _line(self, line: shapes.BillLine) -> BillLine:
        kind = self.catalogue[line.catalogue_item].kind
        name = line.item.split(".", 2)[2]
        title, specification, checks, requirements = self._words(line, kind, name)
        share = line.catalogue_item == "maintenance"  # priced as a share of the purchase: one year of it is one line
        source = line.price.source if line.price is not None else None
        return BillLine(
            number="0",
            item=line.item,
            schedule="recurrent" if line.category == "opex" else "supply",
            title=title,
            specification=specification,
            quantity=Decimal(1) if share else line.quantity,
            unit=self.tongue.say("bill.unit.year" if share else f"bill.unit.{line.unit}"),
            unit_code="ANN" if share else UNIT_CODES[line.unit],
            cpv=line.cpv or "48822000",
            requirements=tuple(dict.fromkeys([*line.requirement_ids, *requirements])),
            checks=checks,
            unit_price=line.total if share else line.unit_price,
            price_source="" if source is None else source.name,
            price_date=None if source is None else source.date,
        )

    def _words(
        self, line: shapes.BillLine, kind: str, name: str
    ) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Return title, specification, checks and requirements of a line."""
        say, many = self.tongue.say, self.tongue.many
        if kind == "server":
            return self._server(name.split(f"-{line.catalogue_item}-")[0])
        if kind == "gpu":
            return say("bill.accelerator"), self._gpu(line.catalogue_item), self._checks("gpu-worker"), GPU_LINES
        if kind == "switch":
            link = self.tongue.quantity(self.bought.network.node_link_bits_per_second.value, "bits/s")
            words = (say("specification.switch_ports", speed=link), say("specification.switch"))
            asked = [target for target in self.plan.targets if target.check == "host.link-speed"]
            return (
                say("bill.network"), words, ("host.link-speed",) if asked else (),
                tuple(dict.fromkeys(target.requirement for target in asked)),
            )  # fmt: skip
        if name in ("object_store_bytes", "block_bytes", "network_file_system_bytes"):
            usable = self.tongue.quantity(float(getattr(self.bought.storage, name)), "bytes")
            asked_for = (
                say(f"specification.{name}", value=usable),
                *map(say, ("specification.copies", "specification.storage")),
            )
            return say(f"bill.storage.{name}"), asked_for, self._platform_check(name), ()
        if name in ("backup", "backup-objects") and self.bought.backup is not None:
            return say(f"bill.{name}"), self._backup(self.bought.backup), (), ()
        if kind == "instance":
            return self._instances(name)
        if name == "installation":
            checks = tuple(dict.fromkeys(t.check for t in self.plan.targets if "/" not in t.subject))
            served = tuple(dict.fromkeys(t.requirement for t in self.plan.targets if "/" not in t.subject))
            # Where all is rented there is nothing to rack.
            steps = many("specification.installation")[1 if self.option.name == "cloud" else 0 :]
            return say("bill.installation"), steps, checks, served
        if name in ("course", "maintenance"):
            key = "training" if name == "course" else name
            stock = self._spares() if name == "maintenance" else ()
            return say(f"bill.{key}"), (*many(f"specification.{key}"), *stock), (), ()
        return self._place(line, name), (self.tongue.pick(line.specification),), self._platform_check(name), ()

    def _backup(self, backup: BackupPlan) -> tuple[str, ...]:
        quantity, say = self.tongue.quantity, self.tongue.say
        link = quantity(backup.link_bits_per_second.value, "bits/s")
        hours = self.tongue.number(self.site.workload.recovery_time_hours)
        return (
            say("specification.backup", value=quantity(backup.stored_bytes.value, "bytes")),
            say("specification.backup_place"),
            say("specification.backup_link", hours=hours, link=link),
        )

    def _spares(self) -> tuple[str, ...]:
        spares = self.bought.spares
        if spares is None or not spares.disks.value:
            return ()
        parts = (
            self.tongue.count(f"specification.spares.{name}", int(getattr(spares, name).value))
            for name in ("disks", "power_supplies", "network_ports")
        )
        return (self.tongue.say("specification.stock", parts=", ".join(parts)),)

    def _place(self, line: shapes.BillLine, name: str) -> str:
        title = self.tongue.pick(line.name)
        key = f"bill.cloud.{name.removesuffix('-disk')}"
        pool = group_name("purpose", name.removesuffix("-disk"), self.tongue)
        if name.endswith("-disk"):
            return self.tongue.say("bill.cloud.disk", title=title, pool=pool)
        return self.tongue.say(key) if key in self.tongue.words else title

    def _platform_check(self, name: str) -> tuple[str, ...]:
        check = "platform.object-store"
        known = any(target.check == check for target in self.plan.targets)
        return (check,) if known and name in ("object_store_bytes", "object-store") else ()

    def _checks(self, subject: str) -> tuple[str, ...]:
        rows = {row.id for row in self.requirements.rows if row.subject == subject}
        return tuple(dict.fromkeys(t.check for t in self.plan.targets if t.requirement in rows))

    def _server(self, purpose: str) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        pool = self._pool(purpose)
        members = {f"host/{host.name}" for host in self.plan.hosts if host.node_pool == pool.name}
        targets = [target for target in self.plan.targets if target.subject in members]
        return (
            self.tongue.say("bill.server", pool=group_name("purpose", purpose, self.tongue)),
            pool_specification(pool, self.bought, self.tongue),
            tuple(dict.fromkeys(target.check for target in targets)),
            tuple(dict.fromkeys(target.requirement for target in targets if target.check.startswith("host."))),
        )

    def _pool(self, purpose: str) -> NodePool:
        control = purpose == "control-plane"
        return next(
            pool
            for pool in self.bought.pools
            if (pool.role is HostRole.CONTROL_PLANE) == control and (control or pool.pool.value == purpose)
        )

    def _gpu(self, item: str) -> tuple[str, ...]:
        facts = self.catalogue[item].facts
        say, number = self.tongue.say, self.tongue.number
        limits = [self.requirements.get(identity).value for identity in GPU_LINES]
        return (
            say("specification.gpu_cores", value=number(Decimal(str(limits[0])))),
            say("specification.gpu_memory", value=self.tongue.quantity(facts["memory_gigabytes"] * 1e9, "bytes")),
            say("specification.capability", value=number(Decimal(str(limits[2])), 1)),
            say("specification.gpu_bandwidth", value=self.tongue.quantity(float(str(limits[3])) * 1e9, "bytes/s")),
            say("specification.gpu_rate", value=number(facts["teraflops"])),
        )

    def _instances(self, name: str) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        cloud = self.bought.cloud
        if cloud is None:
            raise ValueError("an instance is priced, and the plan has no cloud")
        pool = cloud.pool(name)
        words = [
            self.tongue.count("specification.instances", int(pool.count)),
            self.tongue.say("specification.cores", value=self.tongue.number(pool.cpu_cores)),
            self.tongue.say("specification.memory", value=self.tongue.quantity(pool.memory_bytes, "bytes")),
            self.tongue.say("specification.hours", hours=self.tongue.number(round(pool.hours_per_month, 1))),
        ]
        if pool.accelerators:
            words.append(self.tongue.count("specification.accelerators", pool.accelerators))
            words += self._gpu(pool.accelerator)
        words.append(self.tongue.say(f"specification.{pool.purchase}"))
        title = self.tongue.say("bill.instances", pool=group_name("purpose", pool.purpose, self.tongue))
        return title, tuple(words), (), GPU_LINES if pool.accelerators else ()


def estimated(
    site: Site,
    plan: Plan,
    bought: Plan,
    requirements: Requirements,
    tongue: Tongue,
    costs: shapes.CostReport,
    catalogue: Mapping[str, shapes.CatalogueItem],
) -> tuple[BillLine, ...]:
    """Return the chosen option's lines, without numbers."""
    return tuple(Estimate(site, plan, bought, requirements, tongue, costs.option(costs.chosen), catalogue).lines())
