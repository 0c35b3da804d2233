"""An officer's decision on an answer: what was told, what was decided, and why where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_server.errors import BadRequestError
from model_server.protocol import parse_json


class Decision(BaseModel):
    """What the officer sends. `reason` is needed where the decision is not what the model told."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    declaration_id: Annotated[str, Field(min_length=1, max_length=64)]
    officer: Annotated[str, Field(min_length=1, max_length=64)]
    model_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    told: Annotated[str, Field(min_length=1, max_length=64)]
    decision: Annotated[str, Field(min_length=1, max_length=64)]
    reason: Annotated[str, Field(max_length=500)] = ""

    @property
    def override(self) -> bool:
        """Whether the officer decided otherwise than the model told."""
        return self.told != self.decision


class Result(BaseModel):
    """What an inspection came to, often weeks later: whether it found what it was for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    declaration_id: Annotated[str, Field(min_length=1, max_length=64)]
    officer: Annotated[str, Field(min_length=1, max_length=64)]
    found: bool


def parse_result(body: bytes) -> dict[str, Any]:
    """Read a result and return what the log keeps of it. Raises BadRequestError that names the field in fault."""
    try:
        return Result.model_validate(parse_json(body)).model_dump()
    except ValidationError as error:
        raise _refused(error, Result) from None


def _refused(error: ValidationError, what: type[BaseModel]) -> BadRequestError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "body"
    return BadRequestError(where, first["msg"], f"send {', '.join(what.model_fields)}", status=422)


def parse_decision(body: bytes, outcomes: Sequence[str] = ()) -> Decision:
    """Read a decision; where the model has a list of `outcomes`, what was told and decided must be in it.

    Raises BadRequestError that names the field in fault.
    """
    try:
        decision = Decision.model_validate(parse_json(body))
    except ValidationError as error:
        raise _refused(error, Decision) from None
    for name in ("told", "decision") if outcomes else ():
        if getattr(decision, name) not in outcomes:
            raise BadRequestError(name, "no answer of this model", f"send one of {', '.join(outcomes)}", status=422)
    if decision.override and not decision.reason.strip():
        raise BadRequestError("reason", "missing", "say why the decision is not what the model told", status=422)
    return decision


def entry(decision: Decision) -> dict[str, Any]:
    """Return what the log keeps of a decision."""
    return {**decision.model_dump(exclude_none=True), "override": decision.override}
