"""The bill as open contracting data: a release package of the Open Contracting Data Standard 1.1.

Schema: https://standard.open-contracting.org/schema/1__1__5/release-package-schema.json. The tender is
still planned; what only a contracting authority can decide (method, periods, registered prefix) is not made up.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, Final

from portolan.report.content import Bill, BillLine, Document

# The example prefix that the standard reserves for data which no publisher has registered.
PREFIX: Final = "ocds-213czf"
BUYER: Final = "buyer"


def render(document: Document) -> bytes:
    """Return the package as JSON."""
    return (json.dumps(package(document), ensure_ascii=False, indent=2) + "\n").encode()


def package(document: Document) -> dict[str, Any]:
    """Return the release package: one release, tagged as planning and tender."""
    moment = datetime.combine(document.issued, time(), UTC).isoformat().replace("+00:00", "Z")
    identity = f"{PREFIX}-{document.reference.lower()}"
    return {
        "uri": f"urn:ocds:{identity}",
        "version": "1.1",
        "publishedDate": moment,
        "publisher": {"name": document.administration},
        "releases": [
            {
                "ocid": identity,
                "id": f"{identity}-{document.issued.isoformat()}-{document.language}",
                "date": moment,
                "tag": ["planning", "tender"],
                "initiationType": "tender",
                "language": document.language,
                "parties": [{"id": BUYER, "name": document.administration, "roles": ["buyer", "procuringEntity"]}],
                "buyer": {"id": BUYER, "name": document.administration},
                "planning": {"rationale": _rationale(document), **_budget(document.bill)},
                "tender": _tender(document, identity),
            }
        ],
    }


def _rationale(document: Document) -> str:
    return next(block.text for block in document.summary.blocks if block.kind == "paragraph")


def _total(bill: Bill) -> Decimal | None:
    """Return the sum of both schedules, the recurrent one for one year; None unless every line is priced."""
    if bill.unpriced:
        return None
    totals = [total for total in (bill.total("supply"), bill.total("recurrent")) if total is not None]
    return sum(totals, Decimal("0.00"))


def _budget(bill: Bill) -> dict[str, Any]:
    total = bill.total("supply")
    if total is None or bill.currency is None or any(line.schedule == "supply" for line in bill.unpriced):
        return {}
    return {"budget": {"amount": _value(total, bill.currency)}}


def _tender(document: Document, identity: str) -> dict[str, Any]:
    bill = document.bill
    total = _total(bill)
    worth = {} if total is None or bill.currency is None else {"value": _value(total, bill.currency)}
    return {
        "id": f"{identity}-tender",
        "title": f"{document.title} \u2013 {document.administration}",
        "description": document.subtitle,
        "status": "planning",
        "procuringEntity": {"id": BUYER, "name": document.administration},
        "mainProcurementCategory": "goods",
        "additionalProcurementCategories": ["services"],
        **worth,
        "items": [_item(line, bill.currency) for line in bill.lines],
        "milestones": _milestones(document),
    }


def _milestones(document: Document) -> list[dict[str, Any]]:
    table = next(table for table in document.tables() if table.id == "milestones")
    return [
        {"id": row[0].text, "title": row[1].text, "type": "delivery", "description": row[2].text, "status": "scheduled"}
        for row in table.rows
    ]


def _item(line: BillLine, currency: str | None) -> dict[str, Any]:
    price = {} if line.unit_price is None or currency is None else {"value": _value(line.unit_price, currency)}
    return {
        "id": line.number,
        "description": f"{line.title}: {'; '.join(line.specification)}",
        "classification": {"scheme": "CPV", "id": line.cpv},
        "quantity": _number(line.quantity),
        "unit": {"scheme": "UNCEFACT", "id": line.unit_code, "name": line.unit, **price},
    }


def _value(amount: Decimal, currency: str) -> dict[str, Any]:
    return {"amount": _number(amount), "currency": currency}


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
