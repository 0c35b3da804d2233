"""Each format, read back, says what the document says, to the cent; the same document gives the same bytes."""

from __future__ import annotations

import json
import re
from decimal import ROUND_HALF_UP, Decimal
from html.parser import HTMLParser
from io import BytesIO

import docx as word
import pytest
from openpyxl import load_workbook
from pypdf import PdfReader

from portolan.paths import REPOSITORY
from portolan.report.content import Document, Facts, Paragraph, Table
from portolan.report.publish import FORMATS
from portolan.report.render import docx, html, ocds, pdf, xlsx
from portolan.report.render import json as plain
from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sizing.engine import size
from tests.unit.report.conftest import LANGUAGES, SITES, costs_of, report


def amount(text: str) -> Decimal:
    """Return the number in a text of either language."""
    bare = re.sub(r"[\s\u00a0\u202f]", "", text)
    return Decimal(bare.replace(",", "") if "." in bare else bare.replace(",", "."))


def totals(document: Document) -> list[Decimal]:
    return [Decimal(str(document.bill.total("supply"))), Decimal(str(document.bill.total("recurrent")))]


def test_the_sum_is_that_of_the_rounded_lines(priced: Document) -> None:
    lines = [line for line in priced.bill.lines if line.schedule == "supply" and line.unit_price is not None]
    rounded = [
        (line.quantity * line.unit_price).quantize(Decimal("0.01"), ROUND_HALF_UP) for line in lines if line.unit_price
    ]
    assert priced.bill.total("supply") == sum(rounded)


class Cells(HTMLParser):
    """The values of the cells in the feet of the price schedules."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = self.foot = False
        self.values: list[Decimal] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.schedule = (dict(attrs).get("id") or "").startswith("table-schedule-")
        self.foot = (tag == "tfoot" and self.schedule) or (self.foot and tag not in ("table", "section"))
        value = dict(attrs).get("data-value")
        if self.foot and value:
            self.values.append(Decimal(value))


def test_html_has_the_totals_and_needs_nothing_else(priced: Document) -> None:
    text = html.render(priced).decode()
    reader = Cells()
    reader.feed(text)
    assert reader.values == totals(priced)
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text) == []
    assert "<script" not in text
    identifiers = re.findall(r'\bid="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers))


def test_pdf_has_the_totals(priced: Document) -> None:
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf.render(priced))).pages)
    for name in ("schedule-supply", "schedule-recurrent"):
        table = next(table for table in priced.tables() if table.id == name)
        shown = table.totals[0][6].text
        assert amount(shown) in totals(priced)
        assert re.sub(r"\s", "", shown) in re.sub(r"\s", "", text)


def test_xlsx_has_live_formulas_whose_stored_results_are_the_totals(priced: Document) -> None:
    data = xlsx.render(priced)
    name = priced.labels["bill"]
    stored = load_workbook(BytesIO(data), data_only=True)[name]
    live = load_workbook(BytesIO(data))[name]
    sums = [cell.coordinate for row in live.iter_rows() for cell in row if str(cell.value).startswith("=IF(COUNT")]
    products = [cell.coordinate for row in live.iter_rows() for cell in row if str(cell.value).startswith("=IF(ISNUM")]
    assert len(products) == len(priced.bill.lines)
    assert [Decimal(str(stored[place].value)).quantize(Decimal("0.01")) for place in sums] == totals(priced)


def test_an_unpriced_workbook_computes_when_prices_are_entered() -> None:
    sheet = load_workbook(BytesIO(xlsx.render(report("sandbox", "en"))))["Bill of quantities"]
    formula = next(cell for row in sheet.iter_rows() for cell in row if str(cell.value).startswith("=IF(ISNUM"))
    row = formula.row
    assert formula.value == f'=IF(ISNUMBER(F{row}),ROUND(D{row}*F{row},2),"")'
    assert sheet[f"F{row}"].value is None


def test_docx_has_the_totals_headings_and_texts_for_pictures(priced: Document) -> None:
    document = word.Document(BytesIO(docx.render(priced)))
    cells = {cell.text for table in document.tables for cell in table.rows[-1].cells}
    for name in ("schedule-supply", "schedule-recurrent"):
        table = next(table for table in priced.tables() if table.id == name)
        assert table.totals[0][6].text in cells
    headings = [paragraph.text for paragraph in document.paragraphs if paragraph.style.name == "Heading 1"]
    assert len(headings) == len(priced.sections) + 1
    assert all(shape._inline.docPr.get("descr") for shape in document.inline_shapes)


def test_json_has_the_totals_as_decimals(priced: Document) -> None:
    bill = json.loads(plain.render(priced))["bill"]
    assert [Decimal(bill["totals"]["supply"]), Decimal(bill["totals"]["recurrent"])] == totals(priced)


def test_the_pdf_is_tagged_and_has_title_and_language(document: Document) -> None:
    catalogue = PdfReader(BytesIO(pdf.render(document))).trailer["/Root"]
    assert catalogue["/MarkInfo"]["/Marked"].value is True
    assert "/StructTreeRoot" in catalogue
    assert catalogue["/Lang"] == document.language
    assert b"pdfuaid" in catalogue["/Metadata"].get_data()


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_document_gives_the_same_bytes(name: str) -> None:
    first = report.__wrapped__("onprem-national", "fr")
    second = report.__wrapped__("onprem-national", "fr")
    render = FORMATS[name][1]
    assert render(first) == render(second)


def test_what_a_user_wrote_is_never_markup() -> None:
    hostile = '</p><script>alert(1)</script> #let x = 1; *bold* $x^2$ "]} {{ 7*7 }} =1+1 & <b>'
    document = report("onprem-starter", "en").model_copy(update={"administration": hostile})
    section = document.sections[0].model_copy(update={"blocks": (Paragraph(text=hostile),)})
    document = document.model_copy(update={"sections": (section, *document.sections[1:])})
    assert "<script>" not in html.render(document).decode()
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf.render(document))).pages)
    assert "#let x = 1; *bold* $x^2$" in re.sub(r"\s+", " ", text)
    assert json.loads(ocds.render(document))["publisher"]["name"] == hostile
    assert word.Document(BytesIO(docx.render(document))).paragraphs[0].text.startswith(hostile)
    assert load_workbook(BytesIO(xlsx.render(document))).worksheets


def test_every_check_and_requirement_of_the_bill_is_in_its_tables(document: Document) -> None:
    matrix = {row[0].text for table in document.tables() if table.id.startswith("compliance-") for row in table.rows}
    acceptance = next(table for table in document.tables() if table.id == "acceptance")
    checks = {row[0].text for row in acceptance.rows}
    for line in document.bill.lines:
        assert set(line.requirements) <= matrix
        assert set(line.checks) <= checks


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_site_without_prices_says_so_and_shows_no_amount(language: str) -> None:
    document = report("sandbox", language)
    assert document.bill.currency is None
    schedules = [table for table in document.tables() if table.id.startswith("schedule-")]
    assert all(row[5].number is None and row[6].number is None for table in schedules for row in table.rows)
    warned = [
        section.id
        for section in document.sections
        for block in section.blocks
        if isinstance(block, Paragraph) and block.role == "warning"
    ]
    assert {"bill", "options", "costs"} <= set(warned)


PRICED = tuple(site for site in SITES if site != "sandbox")


@pytest.mark.parametrize("site", PRICED)
def test_the_estimate_is_that_of_the_cost_report_to_the_cent(site: str) -> None:
    document, costs = report(site, "en"), costs_of(site)
    assert costs is not None
    option = costs.option(costs.chosen)
    assert document.bill.unpriced == ()
    assert (document.bill.total("supply") or Decimal("0.00")) == option.bill.capex
    table = next(table for table in document.tables() if table.id == "first-year")
    assert table.totals[0][1].number == option.bill.total
    years = next(table for table in document.tables() if table.id == "years")
    assert years.totals[0][1].number == option.capex
    assert years.totals[0][2].number == option.opex


@pytest.mark.parametrize("site", PRICED)
def test_every_line_of_the_bill_traces_to_a_source(site: str) -> None:
    document = report(site, "en")
    sources = next(table for table in document.tables() if table.id == "sources")
    assert [row[0].text for row in sources.rows] == [line.number for line in document.bill.lines]
    assert all(row[3].text and row[4].text for row in sources.rows)


@pytest.mark.parametrize("site", PRICED)
def test_no_line_of_the_bill_names_a_brand(site: str) -> None:
    for line in report(site, "en").bill.lines:
        text = " ".join((line.title, *line.specification))
        assert not re.search(r"NVIDIA|Intel|AMD|Dell|HPE|Cisco", text), line.number


@pytest.mark.parametrize(("site", "hosts"), [("aws", 0), ("hybrid", 11)])
def test_rented_nodes_are_counted_once(site: str, hosts: int) -> None:
    plan = size(load_site(REPOSITORY / "sites" / f"{site}.yaml"), load_requirements())
    assert plan.cloud is not None
    facts = next(block for block in report(site, "en").summary.blocks if isinstance(block, Facts))
    assert int(facts.items[0].value) == hosts + sum(int(pool.count) for pool in plan.cloud.pools)


def test_the_summary_takes_one_page(document: Document) -> None:
    first, second = (page.extract_text() for page in PdfReader(BytesIO(pdf.render(document))).pages[:2])
    assert document.summary.title in re.sub(r"\s+", " ", first)
    assert second.split("\n")[2].strip() == document.labels["contents"] or document.labels["contents"] in second
    assert document.sections[0].title in re.sub(r"\s+", " ", second)


def test_no_table_has_a_row_of_another_width(document: Document) -> None:
    def straight(table: Table) -> bool:
        return all(len(row) == len(table.columns) for row in (*table.rows, *table.totals))

    assert [table.id for table in document.tables() if not straight(table)] == []
