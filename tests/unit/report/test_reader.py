"""What a reader who has to sign would stumble over."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from io import BytesIO

import pytest
from pypdf import PdfReader

from portolan.report.content import Bill, BillLine, Document, Table
from portolan.report.language import Tongue
from portolan.report.render import pdf
from portolan.report.serving import lines_serving, rows_served
from portolan.requirements import load_requirements
from tests.unit.report.conftest import LANGUAGES, SITES, report

ROWS = load_requirements()
PRICED = [site for site in SITES if site != "sandbox"]


def plain(text: str) -> str:
    return re.sub(r"[\s\u00a0\u202f]+", " ", text)


@cache
def pages(site: str, language: str) -> list[str]:
    reader = PdfReader(BytesIO(pdf.render(report(site, language))))
    return [plain(page.extract_text()) for page in reader.pages]


def table(document: Document, name: str) -> Table:
    return next(one for one in document.tables() if one.id == name)


def line_of(document: Document, row_id: str) -> list[BillLine]:
    numbers = lines_serving(ROWS.get(row_id), document.bill)
    return [line for line in document.bill.lines if line.number in numbers]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_summary_with_its_signatures_is_one_page(site: str, language: str) -> None:
    first, second, *_ = pages(site, language)
    document = report(site, language)
    assert table(document, "signatures").rows[-1][0].text in first
    assert document.labels["contents"] in second


@pytest.mark.parametrize("site", PRICED)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("schedule", ["supply", "recurrent"])
def test_a_sum_stands_on_the_page_of_its_lines(site: str, language: str, schedule: str) -> None:
    priced = table(report(site, language), f"schedule-{schedule}")
    page = next(text for text in pages(site, language) if plain(priced.caption) in text)
    for cells in (priced.rows[0], priced.rows[-1], priced.totals[0]):
        assert plain(cells[6].text) in page


@pytest.mark.parametrize("site", PRICED)
def test_every_line_has_a_name_of_its_own(site: str) -> None:
    items = [line.item for line in report(site, "en").bill.lines]
    assert len(items) == len(set(items))


@pytest.mark.parametrize("site", ["onprem-national", "onprem-starter", "korea", "hybrid"])
def test_what_is_bought_holds_what_is_kept_in_the_last_year(site: str) -> None:
    document = report(site, "en")
    last_year = table(document, "trace-years").rows[-1][-1].text
    assert table(document, "growth").rows[-1][-1].text <= "80%"
    stores = [line for line in document.bill.lines if line.item.endswith("object_store_bytes")]
    assert last_year in stores[0].specification[0]
    assert last_year in [fact.value for block in document.summary.blocks if block.kind == "facts"
                         for fact in block.items]  # fmt: skip


def test_disks_are_bought_whole() -> None:
    lines = [line for line in report("onprem-national", "en").bill.lines if line.unit == "TB"]
    assert lines
    assert all(line.quantity == line.quantity.to_integral_value() for line in lines)


@pytest.mark.parametrize(
    ("row_id", "words"),
    [
        ("MEM-9.6.2-02", "Host"),  # the kind of memory: no check, yet a matter of the hosts
        ("GPU-9.6.3-06", "GPU"),
        ("STO-9.6.5-02", "Shared file system"),
        ("NET-9.7.1-05", "network"),
    ],
)
def test_a_line_on_goods_is_answered_with_goods(row_id: str, words: str) -> None:
    lines = line_of(report("onprem-national", "en"), row_id)
    assert lines
    assert all(words in line.title for line in lines)


def test_software_is_answered_with_the_installation() -> None:
    assert [line.title for line in line_of(report("onprem-national", "en"), "FWK-9.1.1-01")] == [
        "Installation and commissioning"
    ]


def test_a_bill_without_goods_answers_with_nothing() -> None:
    assert lines_serving(ROWS.get("MEM-9.6.2-02"), Bill(currency=None, lines=())) == ()


def test_a_cloud_has_no_rooms_to_make_ready() -> None:
    cloud = [row[1].text for row in table(report("aws", "en"), "milestones").rows]
    assert "Rooms ready" not in cloud
    assert "Accounts and network ready" in cloud
    hybrid = [row[1].text for row in table(report("hybrid", "en"), "milestones").rows]
    assert {"Rooms ready", "Accounts and network ready"} <= set(hybrid)


def test_nothing_that_is_none_is_listed_among_the_constants(document: Document) -> None:
    values = [row[1].text for row in table(document, "assumptions").rows]
    assert [value for value in values if re.match(r"0\b(?![.,])", value)] == []


@pytest.mark.parametrize(
    ("value", "unit", "english", "french"),
    [
        (0.5, "seconds", "500 ms", "500 ms"),
        (1, "seconds", "1 second", "1 seconde"),
        (20, "seconds", "20 seconds", "20 secondes"),
        (5e-6, "seconds", "5 μs", "5 μs"),
        (0, "seconds", "0 seconds", "0 seconde"),
        (1500, "bytes", "1,500 bytes", "1 500 octets"),
        (32 * 2**30, "bytes", "32 GiB", "32 Gio"),
        (32e9, "bytes", "32 GB", "32 Go"),
        (100, "millicores", "0.1 cores", "0,1 cœur"),
        (44_864, "MiB", "43.81 GiB", "43,81 Gio"),
        (13.8888889, "declarations/s", "13.89 declarations/s", "13,89 déclarations/s"),
        (27_412.8, "kg", "27.41 t", "27,41 t"),
        (2, "notebooks", "2 notebooks", "2 blocs-notes"),
    ],
)
def test_quantities_read_well_in_both_languages(value: float, unit: str, english: str, french: str) -> None:
    for language, expected in (("en", english), ("fr", french)):
        shown = Tongue(language).quantity(value, unit)  # type: ignore[arg-type]
        assert plain(shown) == expected


@pytest.mark.parametrize("site", SITES)
def test_french_has_no_plain_space_before_its_signs(site: str) -> None:
    document = report(site, "fr")
    texts = [cell.text for one in document.tables() for row in one.rows for cell in row if cell.role != "code"]
    texts += [block.text for section in document.sections for block in section.blocks if hasattr(block, "text")]
    assert [text for text in texts if re.search(r" [:;?!»%]|« ", text)] == []


def test_more_gpus_than_the_load_needs_are_told_with_what_they_cost() -> None:
    document = report("onprem-national", "en")
    told = table(document, "glance").rows[-1][1].text
    assert "The load needs no GPU. 8 are bought, for 44,000\u00a0USD" in told
    gpus = [line.amount for line in document.bill.lines if line.item.startswith("bill.on-prem.gpu-")]
    assert sum(amount for amount in gpus if amount is not None) == 44_000
    assert "needs no GPU" not in table(report("hybrid", "en"), "glance").rows[-1][1].text


def test_a_minimum_of_workers_is_not_asked_of_the_control_plane() -> None:
    titles = [line.title for line in line_of(report("hybrid", "en"), "CPU-9.6.1-03")]
    assert titles
    assert "Host, control plane" not in titles


def test_an_instance_names_what_it_serves_and_no_product() -> None:
    lines = [line for line in report("aws", "en").bill.lines if line.title.startswith("Cloud instances")]
    assert lines
    for line in lines:
        served = rows_served(line, report("aws", "en").bill, ROWS.rows)
        assert "CPU-9.7.2-01" in served
        assert "9,216" not in " ".join(line.specification)  # the cores of one maker's GPU


@pytest.mark.parametrize("site", PRICED)
def test_the_backup_that_the_plan_asks_for_is_in_the_bill(site: str) -> None:
    lines = [line for line in report(site, "en").bill.lines if "backup" in line.item]
    assert len(lines) == 1
    assert "room or building" in " ".join(lines[0].specification)


def test_the_reports_tables_stand_beside_what_this_document_spends() -> None:
    document = report("aws", "en")
    spent = {row[1].text: row[5].number for row in table(document, "published").rows}
    rented = [line for line in document.bill.lines if line.item in ("bill.cloud.egress",)]
    assert spent["Network bandwidth"] == rented[0].amount
    assert spent["High-performance server"] is None


@pytest.mark.parametrize("site", ["aws", "hybrid"])
def test_a_reader_who_multiplies_gets_the_printed_amount(site: str) -> None:
    for name in ("schedule-supply", "schedule-recurrent"):
        for row in table(report(site, "en"), name).rows:
            quantity, price, amount = (Decimal(row[place].text.replace(",", "")) for place in (3, 5, 6))
            assert (quantity * price).quantize(Decimal("0.01"), ROUND_HALF_UP) == amount, row[1].text
