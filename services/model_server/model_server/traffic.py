"""Which version answers: a stable one, and beside it a candidate that gets a share, or only looks on.

`canary` gives the candidate exactly its percentage of a worker's requests, spread evenly; `ab` gives it the units (the
header `x-traffic-unit`) whose digest falls into its share, so that a unit always meets the same version; `shadow` asks
it after the caller has an answer, and compares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from model_server.errors import ServiceError
from model_server.model import Model

Mode = Literal["canary", "shadow", "ab"]
MODES: tuple[str, ...] = get_args(Mode)
FILE = "traffic.json"


@dataclass(frozen=True)
class Guard:
    """When the candidate is taken back: too many errors, too slow, or its scores too far from the reference."""

    requests_least: int = 200
    errors_more: float = 0.01  # share of failures above the stable version's
    latency_times: float = 2.0  # p99 against the stable version's
    latency_seconds_least: float = 0.005  # a candidate that is quicker than this is never too slow
    drift_most: float = 0.25  # population stability index of its scores


@dataclass(frozen=True)
class Policy:
    """What `traffic.json` says: versions by digest, and how requests are shared."""

    stable: str
    candidate: str | None = None
    mode: Mode = "canary"
    percent: int = 0
    guard: Guard = field(default_factory=Guard)

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "stable": self.stable,
            "candidate": self.candidate,
            "mode": self.mode,
            "percent": self.percent,
            "guard": dict(self.guard.__dict__),
        }


def parse_policy(content: bytes) -> Policy:
    """Read `traffic.json`. Raises ServiceError that names what is wrong."""

    def wrong(what: str) -> ServiceError:
        return ServiceError(FILE, what, "write it by `python -m model_server.registry`")

    try:
        document = json.loads(content)
        guard = Guard(**document.get("guard", {}))
        policy = Policy(
            stable=document["stable"],
            candidate=document.get("candidate"),
            mode=document.get("mode", "canary"),
            percent=document.get("percent", 0),
            guard=guard,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise wrong(f"not understood ({type(error).__name__}: {error})") from None
    if policy.mode not in MODES:
        raise wrong(f"mode {policy.mode!r} is none of {', '.join(MODES)}")
    if type(policy.percent) is not int or not 0 <= policy.percent <= 100:
        raise wrong(f"percent {policy.percent!r} is no whole number from 0 to 100")
    for name in (policy.stable, *([policy.candidate] if policy.candidate else [])):
        if not isinstance(name, str) or len(name) != 64 or set(name) - set("0123456789abcdef"):
            raise wrong(f"{name!r:.80} is no digest of a model")
    return policy


class Traffic:
    """The loaded versions of one worker, and whose turn it is."""

    def __init__(self, stable: Model[Any], candidate: Model[Any] | None = None, policy: Policy | None = None) -> None:
        self.stable = stable
        self.candidate = candidate
        self.policy = policy or Policy(stable.digest)
        self.percent = self.policy.percent if candidate is not None and self.policy.mode != "shadow" else 0
        self.shadow = candidate if self.policy.mode == "shadow" else None
        self._given = 0

    def choose(self, unit: str | None = None) -> tuple[str, Model[Any]]:
        """Return the arm whose turn it is, and its model."""
        if not self.percent or self.candidate is None:
            return "stable", self.stable
        if unit is not None and self.policy.mode == "ab":
            place = int.from_bytes(hashlib.sha256(f"{self.candidate.digest}/{unit}".encode()).digest()[:8], "big")
            return self._arm(place * 100 < self.percent << 64)
        # evenly spread: of any hundred in a row exactly `percent` go to the candidate
        self._given += self.percent
        if self._given < 100:
            return "stable", self.stable
        self._given -= 100
        return "candidate", self.candidate

    def _arm(self, candidate: bool) -> tuple[str, Model[Any]]:
        if candidate and self.candidate is not None:
            return "candidate", self.candidate
        return "stable", self.stable

    def named(self, version: str, letters: int) -> tuple[str, Model[Any]] | None:
        """Return the arm of a version that is asked for by the first letters of its digest."""
        if version == self.stable.digest[:letters]:
            return "stable", self.stable
        if self.candidate is not None and version == self.candidate.digest[:letters]:
            return "candidate", self.candidate
        return None

    def digests(self) -> dict[str, str]:
        """Return the digest of each arm."""
        found = {"stable": self.stable.digest}
        if self.candidate is not None:
            found["shadow" if self.shadow is not None else "candidate"] = self.candidate.digest
        return found


def verdict(guard: Guard, stable: Mapping[str, float], candidate: Mapping[str, float]) -> str:
    """Return why the candidate must go, empty where it may stay or too little is known.

    Both sides are `{"requests", "failures", "p99_seconds"}`; the candidate may have `score_drift`.

    >>> seen = {"requests": 500.0, "failures": 0.0, "p99_seconds": 0.002}
    >>> verdict(Guard(), seen, {**seen, "failures": 20.0})
    'errors: 4.0 % of its answers failed, 0.0 % of the stable version'
    """
    if candidate["requests"] < guard.requests_least:
        return ""
    share = candidate["failures"] / candidate["requests"]
    usual = stable["failures"] / max(1.0, stable["requests"])
    if share > usual + guard.errors_more:
        return f"errors: {share:.1%} of its answers failed, {usual:.1%} of the stable version".replace("%", " %")
    slow, normal = candidate["p99_seconds"], stable["p99_seconds"]
    enough = stable["requests"] >= guard.requests_least
    if enough and slow > guard.latency_seconds_least and slow > normal * guard.latency_times:
        return f"latency: p99 {slow:g} s, {normal:g} s of the stable version"
    if candidate.get("score_drift", 0.0) > guard.drift_most:
        return f"drift: its scores have a population stability index of {candidate['score_drift']:.2f}"
    return ""
