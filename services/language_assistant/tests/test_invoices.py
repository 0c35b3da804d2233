"""Invoices are read by their labels, and their sums are checked."""

from __future__ import annotations

import io
from collections import Counter
from decimal import Decimal

import pytest

from language_assistant.documents.invoice import CONFIDENCE, read_invoice
from language_assistant.documents.judged import AMOUNTS, outcomes
from language_assistant.documents.pdf import text_of_pdf
from language_assistant.documents.written import Written, write
from model_server.errors import BadRequestError

typst = pytest.importorskip("typst")


def pdf_of(written: Written) -> bytes:
    """Print an invoice as a PDF, each column in its place."""
    text = written.text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    source = f'#set page(width: 30cm)\n#set text(font: "DejaVu Sans Mono", size: 8pt)\n#raw("{text}", block: true)'
    made: bytes = typst.compile(io.BytesIO(source.encode()).read())
    return made


@pytest.mark.parametrize("seed", range(8))
def test_a_pdf_is_read_as_its_text_says(seed: int) -> None:
    written = write(seed)
    told = read_invoice(text_of_pdf(pdf_of(written)))
    values = {name: Decimal(one.value) if name in AMOUNTS else one.value for name, one in told.fields.items()}
    assert values == {name: Decimal(one) if name in AMOUNTS else one for name, one in written.fields.items()}
    assert [(one.quantity, one.unit_price, one.amount) for one in told.items] == [one[2:] for one in written.items]
    assert [one.hs_code for one in told.items] == ["".join(filter(str.isdigit, one[1])) for one in written.items]
    assert all(one.agrees for one in (*told.items, *told.checks))
    assert told.missing == ()


def test_a_total_that_is_no_sum_is_told() -> None:
    told = read_invoice(write(3, wrong_total=True).text)
    total = next(one for one in told.checks if one.name == "total")
    assert not total.agrees
    assert total.stated - total.computed == Decimal("100.00")
    assert told.fields["total"].found_by == "label"
    assert told.fields["subtotal"].found_by == "sums"


def test_a_line_whose_product_is_wrong_is_told() -> None:
    line = "Steel pipes    7304.31    10    25.00    300.00"
    (item,) = read_invoice(line).items
    assert (item.hs_code, item.agrees) == ("730431", False)


def test_what_is_not_there_is_missing_and_not_guessed() -> None:
    told = read_invoice("Dear sirs,\nplease find the goods enclosed.\nYours")
    assert told.fields == {}
    assert told.missing == ("number", "date", "currency", "seller", "buyer", "total", "items")


def test_a_day_that_may_be_a_month_is_less_sure() -> None:
    assert read_invoice("Invoice date: 05/04/2026").fields["date"].confidence == CONFIDENCE["pattern"]
    assert read_invoice("Invoice date: 25/04/2026").fields["date"].confidence == CONFIDENCE["label"]


@pytest.mark.parametrize("how", CONFIDENCE)
def test_no_field_is_surer_than_it_is_right_even_on_damaged_invoices(how: str) -> None:
    counts = Counter(
        right for name, found_by, right in outcomes(200, damaged=True) if found_by == how and name != "items"
    )
    assert counts[True] / counts.total() >= CONFIDENCE[how]  # type: ignore[index]


def test_a_scan_is_told_apart_from_a_text() -> None:
    empty = typst.compile(b"#rect(width: 5cm, height: 5cm)")
    with pytest.raises(BadRequestError, match="it is a scan"):
        text_of_pdf(empty)
