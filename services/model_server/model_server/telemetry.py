"""Counters shared by the server's processes, told in Prometheus's text format.

They lie in anonymous memory that the worker processes inherit, one block a worker, so nobody waits for a
lock and any worker can answer `/metrics` for all of them. Nothing is written to the file system.
"""

from __future__ import annotations

import mmap
import multiprocessing
from bisect import bisect_left
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

ARMS = ("stable", "candidate", "shadow")  # which version answered; a shadow's answers are only compared
PROTOCOLS = ("v1", "v2", "grpc")
STATUSES = (200, 400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 503, 504)
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BLOCKS = 64  # a worker that comes after a crash takes the next block
FLAGS = 1  # shared by all, after the blocks; each worker has its own cell of each event
EVENTS = ("load_failures", "rollbacks", "audit_failures", "shipping_failures")

_REQUESTS = 0
_LATENCY = _REQUESTS + len(ARMS) * len(PROTOCOLS) * len(STATUSES)
_LATENCY_SIZE = len(BUCKETS_SECONDS) + 2  # the last two: above all buckets, and the sum
_IN_FLIGHT = _LATENCY + len(ARMS) * _LATENCY_SIZE
_EVENTS = _IN_FLIGHT + 1
_OUTCOMES = _EVENTS + len(EVENTS)
_REQUEST_CELL = {key: _REQUESTS + i for i, key in enumerate(product(ARMS, PROTOCOLS, STATUSES))}
_LATENCY_CELL = {arm: _LATENCY + i * _LATENCY_SIZE for i, arm in enumerate(ARMS)}
_DRAINING = 0


class Telemetry:
    """The counters. Make it before the workers are started, and call `join` in each worker.

    `outcomes` are the answers that are counted; `extra` further cells a worker are for whoever asks for them.
    """

    def __init__(self, outcomes: Sequence[str] = (), extra: int = 0) -> None:
        self.outcomes = tuple(outcomes)
        self._outcome_cell = {key: _OUTCOMES + i for i, key in enumerate(product(ARMS, self.outcomes))}
        self._extra = _OUTCOMES + len(self._outcome_cell)
        self._size = self._extra + extra
        self._flags = BLOCKS * self._size
        self._memory = mmap.mmap(-1, (self._flags + FLAGS) * 8)
        self._all = np.frombuffer(self._memory, dtype=np.float64)
        self._joined = multiprocessing.get_context("fork").Value("i", 0)
        # single cells of it are several times quicker to reach than those of an array
        self._cells = memoryview(self._memory).cast("d")
        self._take(0)

    def join(self) -> None:
        """Take a block of one's own."""
        with self._joined.get_lock():
            block = self._joined.value % BLOCKS
            self._joined.value += 1
        self._take(block)
        self._own[_IN_FLIGHT] = 0

    def _take(self, block: int) -> None:
        self._own = self._cells[block * self._size : (block + 1) * self._size]
        self._own_extra = self._own[self._extra :]

    @property
    def draining(self) -> bool:
        """Whether the server was told to stop: it still answers, but is not ready for more."""
        return bool(self._cells[self._flags + _DRAINING])

    def drain(self) -> None:
        """Tell all workers that the server was told to stop."""
        self._cells[self._flags + _DRAINING] = 1

    @property
    def extra(self) -> memoryview[float]:
        """This worker's further cells."""
        return self._own_extra

    def extra_of_all(self) -> NDArray[np.float64]:
        """Return the sum of all workers' further cells."""
        return self._total()[self._extra :]

    def count_load_failure(self) -> None:
        """Count a version that could not be loaded."""
        self._own[_EVENTS] += 1

    def count_rollback(self) -> None:
        """Count a candidate that was taken back."""
        self._own[_EVENTS + 1] += 1

    def count_audit_failure(self) -> None:
        """Count an entry that the log did not take."""
        self._own[_EVENTS + 2] += 1

    def count_shipping_failure(self) -> None:
        """Count a time that the log could not be put into the object store."""
        self._own[_EVENTS + 3] += 1

    def began(self) -> None:
        """Count a request that began."""
        self._own[_IN_FLIGHT] += 1

    def ended(self, protocol: str, status: int, seconds: float, arm: str = "stable") -> None:
        """Count a request that ended."""
        self._own[_IN_FLIGHT] -= 1
        self.observed(protocol, status, seconds, arm)

    def observed(self, protocol: str, status: int, seconds: float, arm: str) -> None:
        """Count an answer that nobody waits for, or one that ended."""
        own = self._own
        own[_REQUEST_CELL.get((arm, protocol, status), _REQUEST_CELL[arm, protocol, 500])] += 1
        latency = _LATENCY_CELL[arm]
        own[latency + bisect_left(BUCKETS_SECONDS, seconds)] += 1
        own[latency + _LATENCY_SIZE - 1] += seconds

    def counted(self, outcomes: Sequence[str], arm: str = "stable") -> None:
        """Count the outcomes of answers."""
        own, cell = self._own, self._outcome_cell
        for outcome in outcomes:
            own[cell[arm, outcome]] += 1

    def latencies(self, arm: str) -> NDArray[np.float64]:
        """Return how many answers of an arm lie in each bucket; the last bucket has no end."""
        begin = _LATENCY_CELL[arm]
        return self._total()[begin : begin + _LATENCY_SIZE - 1]

    def requests(self, arm: str, statuses: Sequence[int] = STATUSES) -> int:
        """Return how many answers of an arm had one of the statuses."""
        total = self._total()
        return int(sum(total[_REQUEST_CELL[arm, p, s]] for p in PROTOCOLS for s in statuses))

    def outcomes_of(self, arm: str) -> dict[str, int]:
        """Return how many answers of an arm had each outcome."""
        total = self._total()
        return {outcome: int(total[self._outcome_cell[arm, outcome]]) for outcome in self.outcomes}

    def _total(self) -> NDArray[np.float64]:
        total: NDArray[np.float64] = self._all[: self._flags].reshape(BLOCKS, self._size).sum(axis=0)
        return total

    def render(self, model: str, digests: dict[str, str]) -> str:
        """Return all workers' counters as Prometheus text; `digests` are those of the served arms."""
        total, name = self._total(), f'model="{model}"'
        lines = _head("info", "gauge", "The served versions.")
        lines += [f'model_server_info{{{name},arm="{arm}",digest="{digest}"}} 1' for arm, digest in digests.items()]
        lines += _head("requests_total", "counter", "Inference requests by arm, protocol and HTTP status.")
        for (arm, protocol, status), cell in _REQUEST_CELL.items():
            if total[cell] or (arm == "stable" and status == 200):
                labels = f'{name},arm="{arm}",protocol="{protocol}",status="{status}"'
                lines.append(f"model_server_requests_total{{{labels}}} {int(total[cell])}")
        if self.outcomes:
            lines += _head("outcomes_total", "counter", "Answers by arm and outcome.")
            for (arm, outcome), cell in self._outcome_cell.items():
                if total[cell] or arm == "stable":
                    labels = f'{name},arm="{arm}",outcome="{outcome}"'
                    lines.append(f"model_server_outcomes_total{{{labels}}} {int(total[cell])}")
        lines += _head("request_duration_seconds", "histogram", "Time from the whole request read to the answer made.")
        for arm, begin in _LATENCY_CELL.items():
            below = np.cumsum(total[begin : begin + _LATENCY_SIZE - 1]).astype(int)
            if arm != "stable" and not below[-1]:
                continue
            labels = f'{name},arm="{arm}"'
            for bound, count in zip((*map(str, BUCKETS_SECONDS), "+Inf"), below, strict=True):
                lines.append(f'model_server_request_duration_seconds_bucket{{{labels},le="{bound}"}} {count}')
            seconds = float(total[begin + _LATENCY_SIZE - 1])
            lines.append(f"model_server_request_duration_seconds_sum{{{labels}}} {seconds:.6f}")
            lines.append(f"model_server_request_duration_seconds_count{{{labels}}} {below[-1]}")
        lines += _head("requests_in_flight", "gauge", "Inference requests being answered.")
        lines.append(f"model_server_requests_in_flight{{{name}}} {int(total[_IN_FLIGHT])}")
        for i, event in enumerate(EVENTS):
            lines += _head(f"{event}_total", "counter", f"{event.replace('_', ' ').capitalize()}, counted by worker.")
            lines.append(f"model_server_{event}_total{{{name}}} {int(total[_EVENTS + i])}")
        return "\n".join([*lines, ""])


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP model_server_{name} {text}", f"# TYPE model_server_{name} {kind}"]
