"""The acts that may be proposed, and no other. Each is small, typed, and about one declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from model_server.errors import BadRequestError

DeclarationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,63}$")]


class _Action(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    declaration_id: DeclarationId


class SetLane(_Action):
    """Put a declaration into a lane: green is released, yellow has its documents examined, red its goods."""

    action: Literal["set_lane"]
    lane: Literal["green", "yellow", "red"]


class RequestDocument(_Action):
    """Ask the declarant for a document."""

    action: Literal["request_document"]
    document: Literal["invoice", "certificate_of_origin", "packing_list", "transport_document", "licence"]


class RequestInspection(_Action):
    """Have the goods of a declaration looked at."""

    action: Literal["request_inspection"]
    extent: Literal["physical", "scan"]


Action = SetLane | RequestDocument | RequestInspection
ACTIONS: tuple[type[Action], ...] = (SetLane, RequestDocument, RequestInspection)
_ADAPTER: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="action")])


def name_of(kind: type[Action]) -> str:
    """Return the name of a kind of act.

    >>> name_of(SetLane)
    'set_lane'
    """
    name: str = kind.model_fields["action"].annotation.__args__[0]  # type: ignore[union-attr]
    return name


NAMES = tuple(name_of(kind) for kind in ACTIONS)


def parse_action(document: object) -> Action:
    """Return the act that a document is. Raises BadRequestError that names the field in fault."""
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        fields = [str(one) for one in first["loc"] if one not in NAMES]
        where = ".".join(["action", *fields])
        raise BadRequestError(where, first["msg"], f"propose one of {', '.join(NAMES)}", status=422) from None


def tools() -> list[Mapping[str, Any]]:
    """Return the acts as tools of the chat protocol: a model may call them, and a call is but a proposal."""
    made: list[Mapping[str, Any]] = []
    for kind in ACTIONS:
        schema = kind.model_json_schema()
        properties = {key: value for key, value in schema["properties"].items() if key != "action"}
        parameters = {
            "type": "object",
            "properties": properties,
            "required": [one for one in schema["required"] if one != "action"],
            "additionalProperties": False,
        }
        function = {"name": name_of(kind), "description": str(kind.__doc__), "parameters": parameters}
        made.append({"type": "function", "function": function})
    return made
