"""The comparison as the server sees it: its tensors, its records, its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_server.errors import BadRecordError, BadRequestError, ServiceError
from model_server.model import Tensor
from model_server.sealed import SealedModel
from valuation.features import comparable
from valuation.peers import Comparison, Peers
from valuation.train import FILE

LOW_FROM = 0.95  # of declarations lie less far below their peers
VERY_LOW_FROM = 0.99
OUTCOMES = ("usual", "low", "very low", "not comparable")


class Goods(BaseModel):
    """A declaration's goods. Net mass in kilograms, the price in the currency of the training data."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    hs6_code: Annotated[str, Field(pattern=r"^[0-9]{6}$")]
    country_of_origin: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    net_mass: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
    item_price: Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]


REMEDIES = {
    "hs6_code": 'send the six digits as a string, leading zeros kept, for example "090111"',
    "country_of_origin": 'send the two capital letters of the country, for example "FR"',
    "net_mass": "send a number of kilograms, 0 or more",
    "item_price": "send a number, 0 or more",
}


class Valuation:
    """A `model_server.model.Model` of goods."""

    platform = "portolan-valuation"
    inputs = (
        Tensor("hs6_code", "BYTES"),
        Tensor("country_of_origin", "BYTES"),
        Tensor("net_mass", "FP64"),
        Tensor("item_price", "FP64"),
    )
    outputs = (Tensor("undervaluation", "FP64"), Tensor("outcome", "BYTES"), Tensor("explanation", "BYTES"))
    aliases: Mapping[str, str] = {
        "HS6 Code": "hs6_code",
        "Country of Origin": "country_of_origin",
        "Net Mass": "net_mass",
        "Item Price": "item_price",
    }
    outcomes = OUTCOMES

    def __init__(self, sealed: SealedModel) -> None:
        try:
            self.peers = Peers.from_document(json.loads(sealed.files[FILE]))
        except (KeyError, ValueError, TypeError) as error:
            raise ServiceError(FILE, f"no comparison of this code ({error})", "train it again") from error
        self.digest = sealed.digest
        self.card = sealed.card
        self.details = {"low_from": LOW_FROM, "very_low_from": VERY_LOW_FROM, "groups": len(self.peers.groups)}

    def options(self, parameters: Mapping[str, Any], outputs: Sequence[str]) -> None:
        """There are none. Raises BadRequestError for one."""
        unknown = [name for name in parameters if name != "binary_data_output"]
        if unknown:
            raise BadRequestError(f"parameters.{unknown[0]}", "unknown", "leave it out: this model has none")

    def read(self, record: object, where: str) -> Goods:
        """Return a record, checked."""
        if not isinstance(record, Mapping):
            raise BadRecordError(where, "goods are a JSON object", f"send {', '.join(Goods.model_fields)}")
        named = {self.aliases.get(str(key), str(key)): value for key, value in record.items()}
        try:
            return Goods.model_validate(named)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            field = str(first["loc"][0]) if first["loc"] else "?"
            remedy = REMEDIES.get(field, f"leave it out; known are {', '.join(Goods.model_fields)}")
            raise BadRecordError(f"{where}.{field}", first["msg"], remedy) from None

    def answer(self, records: Sequence[Goods], options: None) -> list[dict[str, Any]]:
        """Return the comparison of each."""
        return [self._one(goods) for goods in records]

    def _one(self, goods: Goods) -> dict[str, Any]:
        if not comparable(goods.net_mass, goods.item_price):
            return {"undervaluation": 0.0, "outcome": "not comparable", "explanation": {"why": "no mass or no price"}}
        compared = self.peers.compare(goods.hs6_code, goods.country_of_origin, goods.net_mass, goods.item_price)
        score = self.peers.undervaluation(compared.deviations)
        outcome = "very low" if score >= VERY_LOW_FROM else "low" if score >= LOW_FROM else "usual"
        return {"undervaluation": score, "outcome": outcome, "explanation": explanation(goods, compared)}

    def instances(self, answers: list[dict[str, Any]]) -> Sequence[Any]:
        """Return one object a record."""
        return answers

    def column(self, answers: list[dict[str, Any]], output: str) -> Sequence[Any]:
        """Return one output; `explanation` holds the JSON of each record."""
        if output == "explanation":
            return [orjson.dumps(answer[output]).decode() for answer in answers]
        return [answer[output] for answer in answers]

    def counted(self, answers: list[dict[str, Any]]) -> Sequence[str]:
        """Return the outcomes."""
        return [answer["outcome"] for answer in answers]

    def scores(self, answers: list[dict[str, Any]]) -> Sequence[float]:
        """Return the undervaluations."""
        return [answer["undervaluation"] for answer in answers]


def explanation(goods: Goods, compared: Comparison) -> dict[str, Any]:
    """Return what an officer needs to check a comparison by hand; values are of a kilogram at this quantity."""
    at_stake = max(0.0, compared.usual_value_per_kilogram * goods.net_mass - goods.item_price)
    return {
        "peers": compared.level,
        "peer_declarations": compared.peers,
        "declared_value_per_kilogram": round(compared.declared_value_per_kilogram, 4),
        "usual_value_per_kilogram": round(compared.usual_value_per_kilogram, 4),
        "lower_quartile_per_kilogram": round(compared.low_value_per_kilogram, 4),
        "share_of_usual": round(compared.declared_value_per_kilogram / compared.usual_value_per_kilogram, 4),
        "value_at_stake": round(at_stake, 2),
        "deviations": round(compared.deviations, 3),
    }


def load(sealed: SealedModel) -> Valuation:
    """Return the model of its files. Raises ServiceError where they are none of this code's."""
    return Valuation(sealed)
