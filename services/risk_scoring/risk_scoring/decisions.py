"""An officer's decision on a scored declaration: what was told, what was decided, and why where the two differ."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from risk_scoring.errors import BadRequestError
from risk_scoring.protocol import parse_json

Lane = Literal["green", "yellow", "red"]


class Decision(BaseModel):
    """What the officer sends. `reason` is needed where the decision is not the lane that the model told."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    declaration_id: Annotated[str, Field(min_length=1, max_length=64)]
    officer: Annotated[str, Field(min_length=1, max_length=64)]
    model_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    lane: Lane
    decision: Lane
    reason: Annotated[str, Field(max_length=500)] = ""

    @property
    def override(self) -> bool:
        """Whether the officer decided otherwise than the model told."""
        return self.lane != self.decision


def parse_decision(body: bytes) -> Decision:
    """Read a decision. Raises BadRequestError that names the field in fault."""
    try:
        decision = Decision.model_validate(parse_json(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise BadRequestError(where, first["msg"], f"send {', '.join(Decision.model_fields)}", status=422) from None
    if decision.override and not decision.reason.strip():
        raise BadRequestError("reason", "missing", "say why the decision is not the model's lane", status=422)
    return decision


def entry(decision: Decision) -> dict[str, Any]:
    """Return what the log keeps of a decision."""
    return {**decision.model_dump(), "override": decision.override}
