"""A workbook with live formulas: change a unit price, and amounts and totals follow."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any, Final, Literal

import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.utility import xl_rowcol_to_cell  # type: ignore[import-untyped]

from portolan.report.content import BillLine, Bullets, Cell, Document, Facts, Figure, Heading, Paragraph, Section, Table

# The library carries no types.
Format = Any
Workbook = Any
Worksheet = Any

WIDTH: Final = 118  # of a sheet, in characters
LONGEST_SHEET_NAME: Final = 31
FORBIDDEN: Final = str.maketrans(dict.fromkeys("[]:*?/\\", " "))
INK, PALE = "#0b3d5c", "#eef2f5"
BILL_COLUMNS: Final = (6, 40, 12, 10, 10, 18, 20, 16)
QUANTITY, PRICE, AMOUNT = 3, 5, 6


class Styles:
    """The workbook's formats."""

    def __init__(self, workbook: Workbook) -> None:
        wrap = {"text_wrap": True, "valign": "top", "font_name": "Calibri", "font_size": 10}
        cell = {**wrap, "bottom": 1, "bottom_color": "#9aa6b1"}
        self.title: Format = workbook.add_format({"bold": True, "font_size": 16, "font_color": INK})
        self.heading: Format = workbook.add_format(
            {"bold": True, "font_size": 12, "font_color": INK, **{"valign": "top"}}
        )
        self.body: Format = workbook.add_format(wrap)
        self.note: Format = workbook.add_format({**wrap, "italic": True})
        self.warning: Format = workbook.add_format({**wrap, "bg_color": "#fbf3ee"})
        self.head: Format = workbook.add_format({**cell, "bold": True, "bg_color": PALE, "font_color": INK, "top": 2})
        self.cell: Format = workbook.add_format(cell)
        self.end: Format = workbook.add_format({**cell, "align": "right"})
        self.strong: Format = workbook.add_format({**cell, "bold": True})
        self.code: Format = workbook.add_format({**cell, "font_name": "Consolas", "font_size": 9})
        self.number: Format = workbook.add_format({**cell, "num_format": "#,##0.######"})
        self.integer: Format = workbook.add_format({**cell, "num_format": "#,##0"})
        self.money: Format = workbook.add_format({**cell, "num_format": "#,##0.00"})
        self.open: Format = workbook.add_format(
            {**cell, "num_format": "#,##0.00", "bg_color": "#fffbe6", "locked": False}
        )
        self.total: Format = workbook.add_format(
            {**cell, "num_format": "#,##0.00", "bold": True, "bg_color": PALE, "top": 2}
        )


def render(document: Document) -> bytes:
    """Return the report as a workbook: the bill first, then each section on a sheet of its own."""
    stream = BytesIO()
    workbook = xlsxwriter.Workbook(
        stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    workbook.set_properties(
        {
            "title": document.title,
            "author": document.administration,
            "comments": document.reference,
            "created": datetime.combine(document.issued, time()),
        }
    )
    workbook.set_calc_mode("auto")
    styles = Styles(workbook)
    used: set[str] = set()
    _section(workbook, document, document.summary, styles, used)
    _bill(workbook, document, styles, used)
    for section in document.sections:
        _section(workbook, document, section, styles, used)
    workbook.close()
    return stream.getvalue()


def _sheet(workbook: Workbook, name: str, used: set[str], document: Document) -> Worksheet:
    clean = name.translate(FORBIDDEN)[:LONGEST_SHEET_NAME].strip()
    chosen, number = clean, 2
    while chosen.casefold() in used:
        suffix = f" {number}"
        chosen, number = clean[: LONGEST_SHEET_NAME - len(suffix)] + suffix, number + 1
    used.add(chosen.casefold())
    sheet: Worksheet = workbook.add_worksheet(chosen)
    sheet.set_paper(9)  # A4
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.hide_gridlines(2)
    sheet.set_footer(f"&L{document.reference}&R&P / &N")
    return sheet


def _bill(workbook: Workbook, document: Document, styles: Styles, used: set[str]) -> None:
    sheet = _sheet(workbook, document.labels["bill"], used, document)
    for column, width in enumerate(BILL_COLUMNS):
        sheet.set_column(column, column, width)
    sheet.write_string(0, 0, f"{document.labels['bill']} \u2013 {document.administration}", styles.title)
    row = 2
    tables = {table.id: table for table in document.tables()}
    for schedule in ("supply", "recurrent"):
        row = _schedule(sheet, document, tables[f"schedule-{schedule}"], schedule, row, styles)


def _schedule(
    sheet: Worksheet,
    document: Document,
    table: Table,
    schedule: Literal["supply", "recurrent"],
    row: int,
    styles: Styles,
) -> int:
    sheet.write_string(row, 0, table.caption, styles.heading)
    for column, head in enumerate(table.columns):
        sheet.write_string(row + 1, column, head.title, styles.head)
    lines = [line for line in document.bill.lines if line.schedule == schedule]
    first = row + 2
    for place, (line, cells) in enumerate(zip(lines, table.rows, strict=True)):
        _bill_row(sheet, first + place, line, cells, styles)
    after = first + len(lines)
    total = document.bill.total(schedule)
    for column in range(len(table.columns)):
        sheet.write_blank(after, column, None, styles.total)
    sheet.write_string(after, 1, table.totals[0][1].text, styles.total)
    span = f"{xl_rowcol_to_cell(first, AMOUNT)}:{xl_rowcol_to_cell(max(first, after - 1), AMOUNT)}"
    sheet.write_formula(
        after, AMOUNT, f'=IF(COUNT({span})=0,"",SUM({span}))', styles.total, "" if total is None else float(total)
    )
    return after + 3


def _bill_row(sheet: Worksheet, row: int, line: BillLine, cells: tuple[Cell, ...], styles: Styles) -> None:
    for column, cell in enumerate(cells):
        if column not in (QUANTITY, PRICE, AMOUNT):
            sheet.write_string(row, column, cell.text, styles.code if cell.role == "code" else styles.cell)
    sheet.write_number(row, QUANTITY, float(line.quantity), styles.number)
    if line.unit_price is None:
        sheet.write_blank(row, PRICE, None, styles.open)
    else:
        sheet.write_number(row, PRICE, float(line.unit_price), styles.open)
    price, quantity = xl_rowcol_to_cell(row, PRICE), xl_rowcol_to_cell(row, QUANTITY)
    sheet.write_formula(
        row,
        AMOUNT,
        f'=IF(ISNUMBER({price}),ROUND({quantity}*{price},2),"")',
        styles.money,
        "" if line.amount is None else float(line.amount),
    )


def _section(workbook: Workbook, document: Document, section: Section, styles: Styles, used: set[str]) -> None:
    sheet = _sheet(workbook, section.title, used, document)
    columns = _columns(section)
    for column, width in enumerate(columns):
        sheet.set_column(column, column, width)
    sheet.write_string(0, 0, section.title, styles.title)
    row, last = 2, len(columns) - 1
    for block in section.blocks:
        match block:
            case Table():
                row = _table(sheet, block, row, last, styles)
            case Paragraph():
                row = _text(sheet, row, last, block.text, styles.warning if block.role == "warning" else styles.body)
            case Heading():
                row = _text(sheet, row, last, block.text, styles.heading)
            case Bullets():
                for item in block.items:
                    row = _text(sheet, row, last, f"• {item}", styles.body)
                row += 1
            case Facts():
                for fact in block.items:
                    row = _text(sheet, row, last, f"{fact.label}: {fact.value} ({fact.detail})", styles.heading)
                row += 1
            case Figure():
                row = _text(sheet, row, last, f"{document.labels['figure']}: {block.caption}. {block.alt}", styles.note)


def _columns(section: Section) -> list[float]:
    tables = [block for block in section.blocks if isinstance(block, Table)]
    if not tables:
        return [float(WIDTH)]
    widest = max(tables, key=lambda table: len(table.columns))
    total = sum(column.width for column in widest.columns)
    return [max(9.0, WIDTH * column.width / total) for column in widest.columns]


def _text(sheet: Worksheet, row: int, last: int, text: str, style: Format) -> int:
    if last:
        sheet.merge_range(row, 0, row, last, text, style)
    else:
        sheet.write_string(row, 0, text, style)
    sheet.set_row(row, 14.5 * max(1, -(-len(text) // WIDTH)))
    return row + 1


def _table(sheet: Worksheet, table: Table, row: int, last: int, styles: Styles) -> int:
    sheet.write_string(row, 0, table.caption, styles.heading)
    for column, head in enumerate(table.columns):
        sheet.write_string(row + 1, column, head.title, styles.head)
    for place, cells in enumerate((*table.rows, *table.totals), row + 2):
        for column, cell in enumerate(cells):
            _cell(sheet, place, column, cell, table.columns[column].align, styles)
    row += 2 + len(table.rows) + len(table.totals)
    if table.note:
        row = _text(sheet, row, last, table.note, styles.note)
    return row + 1


def _cell(sheet: Worksheet, row: int, column: int, cell: Cell, align: str, styles: Styles) -> None:
    if cell.number is not None:
        sheet.write_number(row, column, float(cell.number), _number_style(cell.number, styles))
        return
    style: Any = {"strong": styles.strong, "code": styles.code}.get(
        cell.role, styles.end if align == "end" else styles.cell
    )
    sheet.write_string(row, column, cell.text, style)


def _number_style(number: Decimal, styles: Styles) -> Format:
    exponent = number.as_tuple().exponent
    if number == number.to_integral_value() and (not isinstance(exponent, int) or exponent >= 0):
        return styles.integer
    return styles.money if exponent == -2 else styles.number
