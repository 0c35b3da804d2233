"""The document itself as JSON: amounts are decimal strings, so that no cent is lost on the way."""

from __future__ import annotations

import json
from typing import Any

from portolan.report.content import Bill, BillLine, Document


def render(document: Document) -> bytes:
    """Return the report as JSON, with the bill's computed amounts beside their factors."""
    plain: dict[str, Any] = document.model_dump(mode="json")
    plain["bill"] = bill(document.bill)
    return (json.dumps(plain, ensure_ascii=False, indent=1) + "\n").encode()


def bill(value: Bill) -> dict[str, Any]:
    """Return the bill with its amounts and totals."""
    return {
        "currency": value.currency,
        "lines": [_line(line) for line in value.lines],
        "totals": {
            "supply": _text(value.total("supply")),
            "recurrent": _text(value.total("recurrent")),
        },
    }


def _line(line: BillLine) -> dict[str, Any]:
    return {**line.model_dump(mode="json"), "amount": _text(line.amount)}


def _text(amount: object) -> str | None:
    return None if amount is None else str(amount)
