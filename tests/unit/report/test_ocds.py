"""The OCDS package is valid against the published schema of release 1.1.5, and says what the bill says."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from portolan import paths
from portolan.report.content import Document
from portolan.report.render import ocds
from tests.unit.report.conftest import report

SCHEMAS = paths.cache() / "schemas" / "ocds-1.1.5"  # tools/prepare fetches them


@cache
def validator() -> Draft4Validator:
    """Return the validator of a release package; what it refers to is resolved without the network."""
    package, release = (
        json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
        for name in ("release-package-schema.json", "release-schema.json")
    )
    known: Registry[Any] = Registry().with_resource(release["id"], DRAFT4.create_resource(release))
    return Draft4Validator(package, registry=known, format_checker=Draft4Validator.FORMAT_CHECKER)


def faults(package: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator().iter_errors(package)]


def totals(document: Document) -> list[Decimal]:
    return [Decimal(str(document.bill.total("supply"))), Decimal(str(document.bill.total("recurrent")))]


def test_every_report_is_valid_against_the_published_schema(document: Document) -> None:
    assert faults(json.loads(ocds.render(document))) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda release: release["tender"].update(status="thought of"), "tender.status"),
        (lambda release: release["tender"]["items"][0].update(quantity="many"), "items[0].quantity"),
        (lambda release: release.pop("ocid"), "releases[0]"),
        (lambda release: release["planning"]["budget"]["amount"].update(currency="US$"), "amount.currency"),
    ],
)
def test_the_schema_finds_what_is_wrong(change: Any, where: str) -> None:
    package = json.loads(ocds.render(report("onprem-starter", "en")))
    change(package["releases"][0])
    found = faults(package)
    assert len(found) == 1
    assert where in found[0]


def test_items_and_value_are_those_of_the_bill(priced: Document) -> None:
    release = json.loads(ocds.render(priced))["releases"][0]
    tender = release["tender"]
    assert [item["id"] for item in tender["items"]] == [line.number for line in priced.bill.lines]
    assert Decimal(str(tender["value"]["amount"])) == sum(totals(priced))
    assert Decimal(str(release["planning"]["budget"]["amount"]["amount"])) == totals(priced)[0]
    assert {item["classification"]["scheme"] for item in tender["items"]} == {"CPV"}


def test_what_the_standard_asks_in_words_is_there(document: Document) -> None:
    package = ocds.package(document)
    assert {"uri", "version", "publishedDate", "publisher", "releases"} <= set(package)
    release = package["releases"][0]
    assert {"ocid", "id", "date", "tag", "initiationType"} <= set(release)
    assert re.fullmatch(r"ocds-[a-z0-9]{6}-.+", release["ocid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", release["date"])
    assert release["tender"]["status"] == "planning"
    known = {party["id"] for party in release["parties"]}
    assert {release["buyer"]["id"], release["tender"]["procuringEntity"]["id"]} <= known
    identifiers = [item["id"] for item in release["tender"]["items"]]
    assert len(identifiers) == len(set(identifiers))
    assert all(isinstance(item["quantity"], int | float) for item in release["tender"]["items"])
    assert ("value" in release["tender"]) == (document.bill.currency is not None)
