"""What a declaration is: the 22 columns of the published set, and the typed fields that are scored.

The column titles are those of the published Customs Import Declaration Datasets; the field names are
their snake case. Requests may use either.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import SchemaValidator, core_schema

from model_server.errors import BadRecordError

FRAUD_COLUMN = "Fraud"
CRITICAL_FRAUD_COLUMN = "Critical Fraud"
LABEL_COLUMNS = (FRAUD_COLUMN, CRITICAL_FRAUD_COLUMN)

Code = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9._-]+$")]
Identity = Annotated[str, Field(max_length=64)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class Declaration(BaseModel):
    """One import declaration, as an office knows it before inspection.

    Net mass is in kilograms, the item price in the currency of the training data (KRW in the published
    set), the tax rate in percent. A declaration without a seller or a courier leaves that field out.

    >>> Declaration.model_fields["hs6_code"].alias
    'HS6 Code'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)

    declaration_id: Identity = Field("", alias="Declaration ID")
    date: Annotated[str, Field(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")] = Field("", alias="Date")
    office_id: Code = Field(alias="Office ID")
    process_type: Code = Field(alias="Process Type")
    import_type: Code = Field(alias="Import Type")
    import_use: Code = Field(alias="Import Use")
    payment_type: Code = Field(alias="Payment Type")
    mode_of_transport: Code = Field(alias="Mode of Transport")
    declarant_id: Identity = Field(alias="Declarant ID")
    importer_id: Identity = Field(alias="Importer ID")
    seller_id: Identity = Field("", alias="Seller ID")
    courier_id: Identity = Field("", alias="Courier ID")
    hs6_code: Annotated[str, Field(pattern=r"^[0-9]{6}$")] = Field(alias="HS6 Code")
    country_of_departure: Country = Field(alias="Country of Departure")
    country_of_origin: Country = Field(alias="Country of Origin")
    tax_rate: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] = Field(alias="Tax Rate")
    tax_type: Code = Field(alias="Tax Type")
    country_of_origin_indicator: Code = Field(alias="Country of Origin Indicator")
    net_mass: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] = Field(alias="Net Mass")
    item_price: Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)] = Field(alias="Item Price")


FIELD_OF_COLUMN: dict[str, str] = {str(info.alias): name for name, info in Declaration.model_fields.items()}
COLUMN_OF_FIELD: dict[str, str] = {name: column for column, name in FIELD_OF_COLUMN.items()}
COLUMNS: tuple[str, ...] = (*FIELD_OF_COLUMN, *LABEL_COLUMNS)
NUMERIC_FIELDS: frozenset[str] = frozenset(
    name
    for name, info in Declaration.model_fields.items()
    if info.annotation is float or float in get_args(info.annotation)
)
REQUIRED_FIELDS: tuple[str, ...] = tuple(n for n, info in Declaration.model_fields.items() if info.is_required())

Row = Mapping[str, Any]

_REMEDIES = {
    "hs6_code": 'send the six digits as a string, leading zeros kept, for example "090111"',
    "country_of_departure": 'send the two capital letters of the country, for example "FR"',
    "country_of_origin": 'send the two capital letters of the country, for example "FR"',
    "date": 'send the day as "YYYY-MM-DD"',
    "tax_rate": "send a number of percent between 0 and 10000",
    "net_mass": "send a number of kilograms, 0 or more",
    "item_price": "send a number, 0 or more",
}


def _fields() -> SchemaValidator:
    """Return what checks a declaration with field names as the model does, and makes no more than a dictionary of it.

    Requests are read by it, as it takes two thirds of the model's time; what it refuses is left to the model.
    """
    model: Any = Declaration.__pydantic_core_schema__
    fields = {name: field["schema"] for name, field in model["schema"]["fields"].items()}
    return SchemaValidator(
        core_schema.typed_dict_schema(
            {n: core_schema.typed_dict_field(s, required=s["type"] != "default") for n, s in fields.items()},
            extra_behavior="forbid",
            config=core_schema.CoreConfig(strict=True),
        )
    )


_FIELDS = _fields()


def _remedy(field: str, kind: str) -> str:
    if kind == "missing":
        return f"add {field!r}; needed are {', '.join(REQUIRED_FIELDS)}"
    if kind == "extra_forbidden":
        if field in LABEL_COLUMNS:
            return "leave the label out: it is what is being predicted"
        known = [*Declaration.model_fields, *FIELD_OF_COLUMN]
        near = difflib.get_close_matches(field, known, n=1, cutoff=0.6)
        return (
            f"did you mean {near[0]!r}?" if near else f"leave it out; known are {', '.join(Declaration.model_fields)}"
        )
    if kind == "string_type":
        return _REMEDIES.get(field, f'codes and identities are strings: send "{field}" in quotes')
    return _REMEDIES.get(field, "send letters, digits, '.', '_' or '-', at most 16 characters")


def parse_declaration(value: object, where: str) -> Row:
    """Check one declaration and return it by field name, every field present.

    >>> parse_declaration({}, "instances[0]")
    Traceback (most recent call last):
    ...
    model_server.errors.BadRecordError: instances[0].office_id: Field required; add 'office_id'; needed are ...

    Raises BadRecordError that names the first field in fault and what to send instead.
    """
    try:
        row: Row = _FIELDS.validate_python(value)
        return row
    except ValidationError:
        pass  # it has other titles, or a fault
    if not isinstance(value, Mapping):
        raise BadRecordError(where, "a declaration is a JSON object", 'send {"hs6_code": "090111", ...}')
    try:
        return Declaration.model_validate(value).__dict__
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        field = FIELD_OF_COLUMN.get(name, name)
        others = error.error_count() - 1
        what = first["msg"] + (f" (and {others} more in this declaration)" if others else "")
        raise BadRecordError(f"{where}.{field}", what, _remedy(field, first["type"])) from None


def from_csv(record: Mapping[str, str]) -> dict[str, Any]:
    """Return a CSV record (by column title) as a declaration by field name, labels left out.

    >>> from_csv({"HS6 Code": "090111", "Tax Rate": "8.0", "Fraud": "1"})
    {'hs6_code': '090111', 'tax_rate': 8.0}

    Raises ValueError where a numeric column holds no finite number.
    """
    row: dict[str, Any] = {}
    for column, text in record.items():
        field = FIELD_OF_COLUMN.get(column)
        if field is None:
            continue
        if field in NUMERIC_FIELDS:
            number = float(text)
            if not math.isfinite(number):
                raise ValueError(f"{column}: {text} is no finite number")
            row[field] = number
        else:
            row[field] = text
    return row
