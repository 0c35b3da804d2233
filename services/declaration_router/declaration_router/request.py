"""What is asked: a declaration, perhaps a description of its goods, and how long the answer may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_server.errors import BadRequestError
from model_server.protocol import parse_json

KEYS = ("declaration", "description", "time_budget_seconds")
VALUATION_FIELDS = {
    "hs6_code": "HS6 Code",
    "country_of_origin": "Country of Origin",
    "net_mass": "Net Mass",
    "item_price": "Item Price",
}
LONGEST_DESCRIPTION = 1000


@dataclass(frozen=True)
class Asked:
    """A request that was understood."""

    declaration: Mapping[str, Any]
    description: str | None
    budget_seconds: float

    def field(self, name: str) -> Any:
        """Return a field of the declaration by its own or its published name; None where it is missing."""
        return self.declaration.get(name, self.declaration.get(VALUATION_FIELDS.get(name, name)))


def parse(body: bytes, budget_most_seconds: float) -> Asked:
    """Read a request. Raises BadRequestError that names the key in fault."""
    document = parse_json(body)
    unknown = [key for key in document if key not in KEYS]
    if unknown:
        raise BadRequestError(unknown[0], "unknown key", f"known are {', '.join(KEYS)}")
    declaration = document.get("declaration")
    if not isinstance(declaration, dict) or not declaration:
        raise BadRequestError("declaration", "no declaration", 'send {"declaration": {"hs6_code": "090111", ...}}')
    description = document.get("description")
    if description is not None and (not isinstance(description, str) or not description.strip()):
        raise BadRequestError("description", "no text", "say in words what the goods are, or leave it out")
    if description is not None and len(description) > LONGEST_DESCRIPTION:
        raise BadRequestError("description", f"{len(description)} letters", f"send at most {LONGEST_DESCRIPTION}")
    budget = document.get("time_budget_seconds", budget_most_seconds)
    if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget <= budget_most_seconds:
        raise BadRequestError(
            "time_budget_seconds", "no such time", f"send more than 0 and up to {budget_most_seconds:g}"
        )
    return Asked(declaration, description, float(budget))
