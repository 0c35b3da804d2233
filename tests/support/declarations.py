"""Three made-up declarations, by field name as the service documents them."""

from __future__ import annotations

from typing import Any

_FIRST: dict[str, Any] = {
    "declaration_id": "1",
    "date": "2024-05-02",
    "office_id": "30",
    "process_type": "B",
    "import_type": "11",
    "import_use": "21",
    "payment_type": "11",
    "mode_of_transport": "10",
    "declarant_id": "DECLARANT1",
    "importer_id": "IMPORTER1",
    "seller_id": "SELLER1",
    "courier_id": "",
    "hs6_code": "090111",
    "country_of_departure": "BR",
    "country_of_origin": "BR",
    "tax_rate": 2.0,
    "tax_type": "A",
    "country_of_origin_indicator": "G",
    "net_mass": 18000.0,
    "item_price": 52000000.0,
}

DECLARATIONS: list[dict[str, Any]] = [
    _FIRST,
    {**_FIRST, "declaration_id": "2", "hs6_code": "620342", "country_of_origin": "CN", "tax_rate": 13.0},
    {
        **_FIRST,
        "declaration_id": "3",
        "hs6_code": "851712",
        "country_of_departure": "HK",
        "country_of_origin": "CN",
        "tax_rate": 0.0,
        "net_mass": 3.5,
        "item_price": 90000.0,
        "mode_of_transport": "40",
    },
]
