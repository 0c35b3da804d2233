"""The versions that a server has loaded, and the watch that changes them without a request being lost.

A model folder is one model, or a registry: `versions/DIGEST/` and `traffic.json`, which says which of them answer.
Every worker looks at `traffic.json`, loads what is new beside what answers, tries it on the latest records, and puts it
in its place between two requests. What cannot be loaded changes nothing.
"""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from model_server import signing
from model_server.aside import giving_way
from model_server.comparison import Comparison
from model_server.drift import SCORE, Monitor
from model_server.errors import ServiceError
from model_server.model import Model
from model_server.sealed import SealedModel, read_sealed
from model_server.storage import Folder, Store, open_store
from model_server.telemetry import BUCKETS_SECONDS, Telemetry
from model_server.traffic import FILE, Policy, Traffic, parse_policy, verdict

EXTRA_CELLS = 4096  # of the telemetry, shared out as follows
_STABLE, _CANDIDATE, _COMPARISON = 0, 2048, 3072
_SERVER_FAULTS = (500, 503, 504)

Load = Callable[[SealedModel], Model[Any]]


@dataclass(frozen=True)
class Registry:
    """Where versions lie, how one is loaded, and whose signature it must have."""

    store: Store
    load: Load
    trusted: bytes | None = None

    def version(self, digest: str) -> Model[Any]:
        """Return a version, verified. Raises ServiceError."""
        model = self.single(self.store.below(f"versions/{digest}"))
        if model.digest != digest:
            raise ServiceError(f"versions/{digest}", f"it holds {model.digest}", "publish the model again")
        return model

    def single(self, store: Store) -> Model[Any]:
        """Return the model in `store`, verified. Raises ServiceError."""
        if self.trusted is not None:
            signing.check(store, self.trusted)
        return self.load(read_sealed(store))

    def policy(self) -> Policy:
        """Return what `traffic.json` says. Raises ServiceError."""
        return parse_policy(self.store.read(FILE))


def opened(address: str, load: Load, trusted: bytes | None) -> tuple[Traffic, Registry | None]:
    """Return what answers at first, and the registry where `address` is one.

    A candidate that cannot be loaded is told and left out. Raises ServiceError where the stable version cannot be.
    """
    store = open_store(address)
    if isinstance(store, Folder) and (store.root / FILE).is_file():
        registry = Registry(store, load, trusted)
        policy = registry.policy()
        stable = registry.version(policy.stable)
        try:
            candidate = registry.version(policy.candidate) if policy.candidate else None
        except ServiceError as error:
            print(f"the candidate is left out: {error}", file=sys.stderr, flush=True)
            candidate = None
        return Traffic(stable, candidate, policy), registry
    return Traffic(Registry(store, load, trusted).single(single_model(address))), None


def single_model(address: str) -> Store:
    """Return the store of the model at `address`, or of the one model in a folder below it."""
    store = open_store(address)
    if not isinstance(store, Folder) or (store.root / "MANIFEST.json").exists() or not store.root.is_dir():
        return store
    below = sorted(path.parent for path in store.root.glob("*/MANIFEST.json"))
    if len(below) > 1:
        raise ServiceError(address, f"it holds {len(below)} models", "name the folder of one of them")
    return Folder(below[0]) if below else store


class Versions:
    """What one worker answers with, and what it counts about it."""

    def __init__(self, traffic: Traffic, telemetry: Telemetry, registry: Registry | None = None) -> None:
        self.telemetry = telemetry
        self.registry = registry
        self.recent: list[
            tuple[Sequence[Any], Any]
        ] = []  # the latest records and options, on which a new version is tried
        self._seen: bytes | None = None
        self._install(traffic)

    def _install(self, traffic: Traffic) -> None:
        stable_monitor = Monitor(traffic.stable.card.get("drift_reference"))
        if stable_monitor.size > _CANDIDATE:
            stable_monitor = Monitor(None)
        self.monitor = stable_monitor
        fields = (traffic.candidate.card.get("drift_reference") or {}) if traffic.candidate is not None else {}
        only = {SCORE: fields["fields"][SCORE]} if SCORE in fields.get("fields", {}) else {}
        self.candidate_monitor = Monitor({"declarations": fields.get("declarations", 0), "fields": only})
        self.comparison = Comparison(traffic.stable.outcomes)
        self.before = {arm: self._side(arm) for arm in ("stable", "candidate", "shadow")}
        self.traffic = traffic

    def began(self) -> None:
        """Forget what another worker's block held before; called in the worker."""
        cells = self.telemetry.extra
        for i in range(len(cells)):
            cells[i] = 0

    def count(self, arm: str, model: Model[Any], records: Sequence[Any], answers: Any) -> None:
        """Count outcomes, and what drift is seen by."""
        self.telemetry.counted(model.counted(answers), arm)
        cells, scores = self.telemetry.extra, model.scores(answers)
        if arm == "stable":
            self.monitor.count(cells, records, scores)  # its cells are the first
        else:
            self.candidate_monitor.count(cells[_CANDIDATE:_COMPARISON], records, scores)

    def compare(self, records: Sequence[Any], answers: Any, shadow: Model[Any], other: Any) -> None:
        """Count how a shadow's answers differ."""
        stable = self.traffic.stable
        told = (stable.scores(answers), stable.counted(answers))
        self.comparison.count(self.telemetry.extra[_COMPARISON:], told, (shadow.scores(other), shadow.counted(other)))
        self.count("shadow", shadow, records, other)

    def not_compared(self) -> None:
        """Count a request that the shadow had no time for."""
        self.comparison.dropped(self.telemetry.extra[_COMPARISON:])

    def remember(self, records: Sequence[Any], options: Any) -> None:
        """Keep records for the trial of the next version."""
        if len(self.recent) >= 8:
            self.recent.pop(0)
        self.recent.append((records, options))

    def drift(self) -> dict[str, dict[str, Any]]:
        """Return how far what all workers were asked is from the stable version's reference."""
        return self.monitor.compare(self.telemetry.extra_of_all()[_STABLE:_CANDIDATE])

    def differences(self) -> dict[str, Any]:
        """Return how a shadow's answers differ, over all workers."""
        return self.comparison.report(self.telemetry.extra_of_all()[_COMPARISON:])

    def _side(self, arm: str) -> tuple[int, int, Any]:
        telemetry = self.telemetry
        return telemetry.requests(arm), telemetry.requests(arm, _SERVER_FAULTS), telemetry.latencies(arm)

    def seen(self, arm: str) -> dict[str, float]:
        """Return what was seen of an arm since the versions were last changed."""
        requests, failures, latencies = self._side(arm)
        before = self.before[arm]
        counts = latencies - before[2]
        reached = np.searchsorted(np.cumsum(counts), 0.99 * counts.sum()) if counts.sum() else 0
        seconds = (*BUCKETS_SECONDS, math.inf)[min(int(reached), len(BUCKETS_SECONDS))]
        found = {
            "requests": float(requests - before[0]),
            "failures": float(failures - before[1]),
            "p99_seconds": seconds if counts.sum() else 0.0,
        }
        if arm != "stable" and SCORE in self.candidate_monitor.fields:
            cells = self.telemetry.extra_of_all()[_CANDIDATE:_COMPARISON]
            score = self.candidate_monitor.compare(cells)[SCORE]
            found["score_drift"] = float(score.get("psi", 0.0))
        return found

    def judged(self) -> str:
        """Return why the candidate must go, empty where it may stay."""
        if self.traffic.candidate is None:
            return ""
        arm = "shadow" if self.traffic.shadow is not None else "candidate"
        return verdict(self.traffic.policy.guard, self.seen("stable"), self.seen(arm))

    def look(self) -> str:
        """Load what `traffic.json` asks for, or take the candidate back; return what was done, empty for nothing."""
        registry = self.registry
        if registry is None:
            return ""
        why = self.judged()
        if why:
            return self._take_back(registry, why)
        try:
            content = registry.store.read(FILE)
        except ServiceError:
            return ""  # it is being replaced, or the volume is away: what is loaded answers
        if content == self._seen:
            return ""
        self._seen = content
        try:
            with giving_way():
                changed = self._wanted(registry, parse_policy(content))
        except ServiceError as error:
            self.telemetry.count_load_failure()
            return f"traffic stays as it is: {error}"
        if changed is None:
            return ""
        self._install(changed)
        return f"now {json.dumps(changed.digests())}, {changed.percent} % to the candidate"

    def _wanted(self, registry: Registry, policy: Policy) -> Traffic | None:
        if policy == self.traffic.policy and (policy.candidate is None) == (self.traffic.candidate is None):
            return None
        known = {model.digest: model for model in (self.traffic.stable, self.traffic.candidate) if model is not None}

        def loaded(digest: str) -> Model[Any]:
            return known[digest] if digest in known else self._tried(registry.version(digest))

        candidate = loaded(policy.candidate) if policy.candidate else None
        return Traffic(loaded(policy.stable), candidate, policy)

    def _tried(self, model: Model[Any]) -> Model[Any]:
        """Return the model if it answers the latest records with numbers. Raises ServiceError."""
        for records, options in self.recent[-8:]:
            try:
                scores = model.scores(model.answer(records, options))
                if len(scores) != len(records) or not all(map(math.isfinite, scores)):
                    raise ValueError("scores that are no numbers")
            except Exception as error:
                what = f"it cannot answer what is asked now ({type(error).__name__}: {error})"
                raise ServiceError(f"version {model.digest[:12]}", what, "train it again") from None
        return model

    def _take_back(self, registry: Registry, why: str) -> str:
        candidate = self.traffic.candidate
        assert candidate is not None
        policy = replace(self.traffic.policy, candidate=None, percent=0)
        self._install(Traffic(self.traffic.stable, None, policy))
        self.telemetry.count_rollback()
        # also in the registry, so that other servers and those that start later do not try it again
        try:
            content = registry.store.read(FILE)
            if parse_policy(content).candidate == candidate.digest:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                note = {"digest": candidate.digest, "why": why, "time": now}
                document = {**json.loads(content), "candidate": None, "percent": 0, "taken_back": note}
                registry.store.write(FILE, (json.dumps(document, indent=2) + "\n").encode())
        except ServiceError as error:
            return f"candidate {candidate.digest[:12]} taken back here only ({error}): {why}"
        return f"candidate {candidate.digest[:12]} taken back: {why}"

    def watch(self, seconds: float) -> threading.Thread:
        """Look every so many seconds, in a thread of its own, as long as the process lives."""
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(seconds):
                try:
                    if done := self.look():
                        print(done, file=sys.stderr, flush=True)
                except Exception as error:
                    print(f"looking for versions: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

        thread = threading.Thread(target=run, name="versions", daemon=True)
        thread.start()
        return thread
