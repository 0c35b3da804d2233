"""What the report says, before anybody decides how it looks.

Every renderer reads this one value: text is already in the reader's language, numbers keep their exact value beside it.
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

from pydantic import Field

from portolan.model import Model

LanguageName = Literal["en", "fr"]
CENT = Decimal("0.01")


class Cell(Model):
    """One cell of a table: what people read, and the exact number where there is one."""

    text: str
    number: Decimal | None = None
    role: Literal["body", "strong", "code", "blank"] = "body"


class Column(Model):
    """One column: its title, its share of the width, and the side to which its cells keep."""

    title: str
    width: Annotated[float, Field(gt=0)] = 1.0
    align: Literal["start", "end"] = "start"


class Table(Model):
    """Rows under titled columns; `totals` are set off at the end."""

    kind: Literal["table"] = "table"
    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[tuple[Cell, ...], ...] = ()
    note: str = ""
    dense: bool = False


class Paragraph(Model):
    """Running text; `warning` is set off, so that nobody signs without having seen it."""

    kind: Literal["paragraph"] = "paragraph"
    text: str
    role: Literal["body", "lead", "note", "warning"] = "body"


class Bullets(Model):
    """A list without order."""

    kind: Literal["bullets"] = "bullets"
    items: tuple[str, ...]


class Heading(Model):
    """A heading within a section."""

    kind: Literal["heading"] = "heading"
    text: str


class Figure(Model):
    """A picture as SVG, with the words that stand for it where it cannot be seen."""

    kind: Literal["figure"] = "figure"
    id: str
    caption: str
    alt: Annotated[str, Field(min_length=20)]
    svg: str


class Fact(Model):
    """One figure that a decision maker looks for."""

    label: str
    value: str
    detail: str = ""


class Facts(Model):
    """A few figures, large, side by side."""

    kind: Literal["facts"] = "facts"
    items: tuple[Fact, ...]


Block = Annotated[
    Table | Paragraph | Bullets | Heading | Figure | Facts,
    Field(discriminator="kind"),
]


class Section(Model):
    """One numbered part of the report."""

    id: str
    title: str
    blocks: tuple[Block, ...]


class BillLine(Model):
    """One line of the bill of quantities.

    `amount` is quantity times unit price, rounded to the cent; both are None as long as nobody has priced the line.
    """

    number: str  # "1.2": schedule and place in it
    item: str  # path of the plan's or the cost engine's item, for `portolan explain`
    schedule: Literal["supply", "recurrent"]
    title: str
    specification: tuple[str, ...]
    quantity: Decimal
    unit: str
    unit_code: str  # UN/CEFACT recommendation 20
    cpv: Annotated[str, Field(pattern=r"^\d{8}$")]
    requirements: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    unit_price: Decimal | None = None
    price_source: str = ""
    price_date: date | None = None

    @property
    def amount(self) -> Decimal | None:
        """Return the line's amount in the bill's currency."""
        if self.unit_price is None:
            return None
        return (self.quantity * self.unit_price).quantize(CENT, rounding=ROUND_HALF_UP)


class Bill(Model):
    """The bill of quantities: what is bought once, and what is paid each year."""

    currency: str | None
    lines: tuple[BillLine, ...]

    def total(self, schedule: Literal["supply", "recurrent"]) -> Decimal | None:
        """Return the sum of a schedule's priced lines; None where none of them has a price."""
        amounts = [line.amount for line in self.lines if line.schedule == schedule and line.amount is not None]
        return sum(amounts, Decimal("0.00")) if amounts else None

    @property
    def unpriced(self) -> tuple[BillLine, ...]:
        """Return the lines that nobody has priced."""
        return tuple(line for line in self.lines if line.unit_price is None)


class Document(Model):
    """The whole report in one language."""

    language: LanguageName
    title: str
    subtitle: str
    administration: str
    site: str
    reference: str
    issued: date
    issued_text: str
    labels: dict[str, str]  # words that a renderer needs: "page", "contents", ...
    summary: Section
    sections: tuple[Section, ...]
    bill: Bill
    untranslated: tuple[str, ...] = ()

    def tables(self) -> tuple[Table, ...]:
        """Return all tables in reading order."""
        return tuple(
            block for section in (self.summary, *self.sections) for block in section.blocks if isinstance(block, Table)
        )
