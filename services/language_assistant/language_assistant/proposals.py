"""Proposed acts: kept until an officer confirms or rejects them, decided once, and in the log before anything happens.

They lie in a folder that all processes share, a file each; one lock file puts decisions in a row. The folder holds
declarations in the clear, for the act needs them; the log holds keyed digests instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from language_assistant.actions import Action
from model_server.audit import AuditLog
from model_server.errors import BadRequestError, ServiceError
from model_server.storage import Folder

State = Literal["open", "confirmed", "rejected", "expired"]
Effect = Literal["none", "pending", "delivered", "failed"]
STATES: tuple[State, ...] = ("open", "confirmed", "rejected", "expired")
OPEN_MOST = 10_000
LISTED_MOST = 200
KEPT_SECONDS = 30 * 86_400  # a decided or expired proposal is told for so long; the log keeps it for good
_ID = re.compile(r"[0-9a-f]{32}")
# What stands in free text and may be somebody's: addresses of mail, account numbers, long runs of digits.
_PERSONAL = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]+|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,8}(?: ?[A-Z0-9]{1,3})?\b|\+?\d(?:[\d ./-]{5,}\d)"
)


@dataclass(frozen=True)
class Origin:
    """Where a proposal comes from: what proposed it, from which texts and passages, and for whom."""

    model: str
    index_digest: str
    passages: tuple[str, ...]
    asked_by: str


@dataclass(frozen=True)
class Proposal:
    """An act that somebody may confirm."""

    id: str
    action: Mapping[str, Any]
    reason: str
    origin: Origin
    made_at: float
    expires_at: float
    state: State = "open"
    officer: str = ""
    decided_at: float | None = None
    decision_reason: str = ""
    recorded: str = ""  # the digest of the decision's entry in the log
    effect: Effect = "none"

    def document(self) -> dict[str, Any]:
        """Return it as the answer tells it."""
        return {**asdict(self), "requires": None if self.state != "open" else "an officer's confirmation"}


def masked_text(text: str, *known: str) -> str:
    """Return free text without what is known to be somebody's, or looks like it.

    >>> masked_text("Ask jo@example.org about D-17", "D-17")
    'Ask [masked] about [masked]'
    """
    for one in known:
        if one:
            text = text.replace(one, "[masked]")
    return _PERSONAL.sub("[masked]", text)


class Proposals:
    """The folder of proposals and the log of what became of them."""

    def __init__(self, folder: Path, audit: AuditLog, open_seconds: float) -> None:
        self._folder = folder
        self._store = Folder(folder)
        self.audit = audit
        self._open_seconds = open_seconds

    def propose(self, action: Action, reason: str, origin: Origin) -> Proposal:
        """Keep a proposal, recorded in the log. Raises OSError where the disk does not take it."""
        with self._locked():
            if self._forget() >= OPEN_MOST:
                remedy = "confirm or reject some first"
                raise BadRequestError("proposals", f"{OPEN_MOST} are open", remedy, status=429)
            now = time.time()
            made = Proposal(secrets.token_hex(16), action.model_dump(), reason, origin, now, now + self._open_seconds)
            self.audit.append("proposal", self._entry(made))
            self._write(made)
        return made

    def read(self, name: str) -> Proposal:
        """Return a proposal. Raises BadRequestError where there is none."""
        found = self._read(self._folder / f"{name}.json") if _ID.fullmatch(name) else None
        if found is None:
            raise BadRequestError("proposal", f"no proposal {name[:40]!r}", "see /v1/proposals", status=404)
        return found

    def listed(self, state: str) -> list[Proposal]:
        """Return the newest proposals in a state."""
        found = [one for path in self._folder.glob("*.json") if (one := self._read(path)) and one.state == state]
        return sorted(found, key=lambda one: (-one.made_at, one.id))[:LISTED_MOST]

    def decide(self, name: str, confirm: bool, officer: str, reason: str, with_effect: bool) -> Proposal:
        """Decide an open proposal, recorded in the log before anything else; return it decided.

        A confirmed one whose effect failed may be confirmed again. Raises BadRequestError where it was decided
        otherwise or has expired, OSError, and decides nothing, where the log does not take it.
        """
        with self._locked():
            found = self.read(name)
            again = confirm and found.state == "confirmed" and found.effect == "failed"
            if found.state != "open" and not again:
                raise BadRequestError("proposal", f"it is {found.state}", "make a new one", status=409)
            state: State = "confirmed" if confirm else "rejected"
            decided = replace(
                found,
                state=state,
                officer=officer,
                decided_at=time.time(),
                decision_reason=reason,
                effect="pending" if confirm and with_effect else "none",
            )
            recorded = self.audit.append("decision", {**self._entry(decided), "officer": officer, "state": state})
            decided = replace(decided, recorded=recorded)
            self._write(decided)
        return decided

    def effected(self, decided: Proposal, delivered: bool, how: str) -> Proposal:
        """Record what came of a confirmed act."""
        with self._locked():
            told = replace(decided, effect="delivered" if delivered else "failed")
            self.audit.append("effect", {**self._entry(told), "effect": told.effect, "how": masked_text(how)})
            self._write(told)
        return told

    def _entry(self, one: Proposal) -> dict[str, Any]:
        """Return what the log keeps of a proposal: identities under names that it masks, free text without any."""
        action = dict(one.action)
        declaration = str(action.pop("declaration_id"))
        known = (declaration, one.officer, one.origin.asked_by)
        return {
            "proposal": one.id,
            "declaration_id": declaration,
            **action,
            "reason": masked_text(one.reason, *known),
            "decision_reason": masked_text(one.decision_reason, *known),
            "model": one.origin.model,
            "index_digest": one.origin.index_digest,
            "passages": list(one.origin.passages),
            # the same digest as that of the person as an officer
            "asked_by": self.audit.mask({"officer": one.origin.asked_by})["officer"],
        }

    def _read(self, path: Path) -> Proposal | None:
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        origin = Origin(**{**document["origin"], "passages": tuple(document["origin"]["passages"])})
        found = Proposal(**{**document, "origin": origin})
        expired = found.state == "open" and found.expires_at < time.time()
        return replace(found, state="expired") if expired else found

    def _write(self, one: Proposal) -> None:
        try:
            self._store.write(f"{one.id}.json", json.dumps(asdict(one)).encode())
        except ServiceError as error:
            raise OSError(str(error)) from error

    def _forget(self) -> int:
        """Remove what ended long ago; return how many are open."""
        count, now = 0, time.time()
        for path in self._folder.glob("*.json"):
            found = self._read(path)
            if found is None:
                continue
            ended = found.decided_at if found.decided_at is not None else found.expires_at
            if found.state == "open":
                count += 1
            elif ended + KEPT_SECONDS < now:
                path.unlink(missing_ok=True)
        return count

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def passages_of(found: Sequence[Any]) -> tuple[str, ...]:
    """Return the addresses of passages that were found."""
    return tuple(one.passage.id for one in found)
