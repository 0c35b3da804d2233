"""Pictures as SVG that is the same, byte for byte, each time: fixed identifiers, no date, letters as outlines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from portolan.sites.schema import HostRole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from portolan.report.case import Case
    from portolan.report.language import Tongue

# Colours that are told apart in print and by the colour-blind (Okabe and Ito, 2008); text is never in them.
INK, PALE, RULE = "#1d2a35", "#eef2f5", "#8a97a3"
BLUE, ORANGE, GREEN, PURPLE = "#0b5c8f", "#c8721b", "#2b7a5d", "#7a4f86"
POOL_COLOURS: Final = {"control-plane": BLUE, "cpu": GREEN, "gpu": ORANGE, "storage": PURPLE}
WIDTH_INCHES = 6.7
BOXES_IN_A_ROW = 6
STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "portolan",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.axisbelow": True,
}


@contextmanager
def _canvas(height: float) -> Iterator[tuple[Figure, Axes]]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        yield figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    import matplotlib as mpl

    stream = StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def capacity(tongue: Tongue, years: Sequence[int], kept: Sequence[float], bought: float) -> str:
    """Return bars of what is kept at the end of each year, under the line of what is bought."""
    with _canvas(2.7) as (figure, axes):
        bars = axes.bar([str(year) for year in years], [amount / 1e12 for amount in kept], color=BLUE, width=0.55)
        axes.bar_label(
            bars,
            labels=[tongue.quantity(amount, "bytes") for amount in kept],
            label_type="center",
            color="white",
            fontsize=8,
        )
        axes.axhline(bought / 1e12, color=ORANGE, linewidth=1.6)
        axes.annotate(
            tongue.say("growth.line", bought=tongue.quantity(bought, "bytes")),
            xy=(0.0, bought / 1e12),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=8,
        )
        axes.set_ylim(0, max(bought, *kept) / 1e12 * 1.18)
        axes.set_xlabel(tongue.say("growth.year"))
        axes.set_ylabel(tongue.say("growth.axis"))
        axes.yaxis.set_major_formatter(lambda value, _: tongue.number(float(f"{value:.6g}")))
        axes.grid(axis="y", color=PALE)
        return _svg(figure)


def topology(case: Case) -> str:
    """Return the site as boxes: who reaches it, its pools of hosts, and the network that joins them."""
    from matplotlib.patches import FancyBboxPatch

    plan, say = case.plan, case.say
    pools = case.bought.pools
    rows = [max(1, -(-int(pool.count) // BOXES_IN_A_ROW)) for pool in pools]
    rented = case.rented_beside
    height = 0.9 + sum(0.52 + 0.36 * count for count in rows) + (0.75 if rented else 0)
    with _canvas(height) as (figure, axes):
        axes.set_axis_off()
        axes.set_xlim(0, 100)
        axes.set_ylim(0, height * 10)
        top = height * 10

        def box(x: float, y: float, width: float, tall: float, face: str, edge: str, line: float = 0.9) -> None:
            axes.add_patch(
                FancyBboxPatch(
                    (x, y), width, tall, boxstyle="round,pad=0,rounding_size=0.7", facecolor=face, edgecolor=edge,
                    linewidth=line,
                )
            )  # fmt: skip

        box(1, top - 5, 98, 4.2, PALE, RULE)
        axes.text(50, top - 2.9, say("topology_figure.users"), ha="center", va="center", fontsize=8.5)
        axes.plot([50, 50], [top - 5, top - 8.2], color=INK, linewidth=1.2)
        axes.text(
            51.5, top - 6.6,
            say("topology_figure.link", speed=case.shown(plan.network.node_link_bits_per_second)),
            ha="left", va="center", fontsize=7.5,
        )  # fmt: skip
        y = top - 8.2
        axes.plot([3, 99], [y, y], color=INK, linewidth=2.2, solid_capstyle="round")
        for pool, count in zip(pools, rows, strict=True):
            tall = 3.9 + 3.6 * count
            colour = POOL_COLOURS.get(pool.name, RULE)
            axes.plot([3, 3], [top - 8.2, y - 1.3 - tall / 2], color=INK, linewidth=1.2)
            axes.plot([3, 6], [y - 1.3 - tall / 2] * 2, color=INK, linewidth=1.2)
            box(6, y - 1.2 - tall, 93, tall, "white", colour, 1.3)
            axes.text(8, y - 3.0, _pool_title(case, pool.name), fontsize=8.5, fontweight="bold", va="center")
            axes.text(97.5, y - 3.0, _pool_detail(case, pool.name), fontsize=7.5, va="center", ha="right")
            names = [host.name for host in plan.hosts if host.node_pool == pool.name]
            names += [f"+ {number}" for number in range(len(names) + 1, int(pool.count) + 1)]
            for place, name in enumerate(names):
                column, line = place % BOXES_IN_A_ROW, place // BOXES_IN_A_ROW
                x = 8 + column * 15.0
                box(x, y - 7.6 - line * 3.6, 14, 2.9, PALE, colour)
                axes.text(x + 7, y - 6.15 - line * 3.6, name, ha="center", va="center", fontsize=7.5)
            y -= tall + 1.3
        if rented:
            axes.plot([3, 3], [top - 8.2, y - 4.3], color=INK, linewidth=1.2)
            axes.plot([3, 6], [y - 4.3] * 2, color=INK, linewidth=1.2)
            box(6, y - 7.4, 93, 6.2, "white", RULE, 1.3)
            axes.text(8, y - 3.0, say("topology_figure.cloud"), fontsize=8.5, fontweight="bold", va="center")
            words = " · ".join(f"{case.name('purpose', pool.purpose)} \u00d7 {int(pool.count)}" for pool in rented)
            axes.text(8, y - 5.7, words, fontsize=7.5, va="center")
        return _svg(figure)


def _pool_title(case: Case, name: str) -> str:
    pool = next(pool for pool in case.bought.pools if pool.name == name)
    return f"{case.name('pool', name)} \u00d7 {int(pool.count)}"


def _pool_detail(case: Case, name: str) -> str:
    pool = next(pool for pool in case.bought.pools if pool.name == name)
    parts = [
        case.shown(pool.cpu_cores),
        case.shown(pool.memory_bytes),
        case.say("topology_figure.disk", size=case.shown(pool.disk_bytes)),
    ]
    if float(pool.accelerators):
        parts.append(case.shown(pool.accelerators))
    role = "topology_figure.each" if pool.role is HostRole.WORKER or int(pool.count) > 1 else "topology_figure.one"
    return case.say(role, parts=" · ".join(parts))


def _millions(tongue: Tongue) -> Callable[[float, float], str]:
    return lambda value, _: tongue.number(float(f"{value:.6g}"))


@cache
def ranges(tongue: Tongue, options: tuple[tuple[str, Decimal, Decimal, Decimal], ...], currency: str) -> str:
    """Return a bar from P10 to P90 for each option, with its P50."""
    with _canvas(0.6 + 0.32 * len(options)) as (figure, axes):
        for place, (name, low, middle, high) in enumerate(reversed(options)):
            start, mid, end = (float(amount) / 1e6 for amount in (low, middle, high))
            axes.barh(place, end - start, left=start, height=0.5, color=BLUE, alpha=0.85)
            axes.plot([mid, mid], [place - 0.25, place + 0.25], color="white", linewidth=2)
            text = " \u2013 ".join(tongue.number(round(amount, 2), 2) for amount in (start, mid, end))
            axes.annotate(text, (end, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
            axes.text(-0.012, place, name, ha="right", va="center", transform=axes.get_yaxis_transform(), fontsize=8)
        axes.set_yticks([])
        axes.set_xlim(0, max(float(option[3]) for option in options) / 1e6 * 1.3)
        axes.set_xlabel(tongue.say("costs.axis", currency=currency))
        axes.xaxis.set_major_formatter(_millions(tongue))
        axes.grid(axis="x", color=PALE)
        return _svg(figure)


def tornado(tongue: Tongue, drivers: Sequence[tuple[str, Decimal, Decimal]], likely: Decimal, currency: str) -> str:
    """Return what each input does to the present value, from its low to its high end, the strongest on top."""
    middle = float(likely) / 1e6
    with _canvas(0.8 + 0.27 * len(drivers)) as (figure, axes):
        for place, (name, at_low, at_high) in enumerate(reversed(drivers)):
            for amount, colour in ((at_low, GREEN), (at_high, ORANGE)):
                value = float(amount) / 1e6
                axes.barh(place, value - middle, left=middle, height=0.62, color=colour)
            axes.text(-0.012, place, name, ha="right", va="center", transform=axes.get_yaxis_transform(), fontsize=8)
        axes.axvline(middle, color=INK, linewidth=1)
        axes.set_yticks([])
        axes.set_xlabel(tongue.say("costs.axis", currency=currency))
        axes.xaxis.set_major_formatter(_millions(tongue))
        axes.grid(axis="x", color=PALE)
        return _svg(figure)
