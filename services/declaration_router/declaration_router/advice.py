"""One advice of all answers. It may ask for more care than the risk model does, never for less.

The lane is the risk model's. A very low value, or a classification that is sure of other goods than declared, makes a
green declaration yellow: its documents are looked at. Nothing is decided: an officer does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from declaration_router.parts import Outcome
from declaration_router.request import Asked

LANES = ("green", "yellow", "red")


def agreement(declared: object, answer: Mapping[str, Any]) -> str:
    """Return how a classification stands to the declared subheading."""
    if answer["hs6_code"] == declared:
        return "agrees"
    if any(one["hs6_code"] == declared for one in answer["candidates"]):
        return "possible"
    return "disagrees" if answer["outcome"] == "sure" else "unsure"


def advise(asked: Asked, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return the lane, why it is what it is, and what is missing; no lane where the risk model did not answer."""
    reasons: list[str] = []
    risk = outcomes["risk"].answer
    lane = str(risk["lane"]) if risk is not None else None
    if risk is not None:
        reasons.append(f"risk score {risk['score']:.3f}: {lane}")
    careful = False
    valuation = outcomes["valuation"].answer
    if valuation is not None and valuation["outcome"] in ("low", "very low"):
        share = valuation["explanation"]["share_of_usual"]
        reasons.append(f"declared at {share:.0%} of the usual value of its peers")
        careful = valuation["outcome"] == "very low"
    classification = outcomes["classification"].answer
    said = None
    if classification is not None:
        said = agreement(asked.field("hs6_code"), classification)
        if said == "disagrees":
            reasons.append(f"the description is rather of {classification['hs6_code']}")
            careful = True
    if lane == "green" and careful:
        lane = "yellow"
    missing = [name for name, one in outcomes.items() if one.state in ("timed out", "failed", "refused")]
    if lane is None:
        reasons.append("no lane: the risk model did not answer; an officer decides")
    return {"lane": lane, "reasons": reasons, "classification": said, "missing": missing}
