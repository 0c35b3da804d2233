"""Counters shared by the server's processes, told in Prometheus's text format.

They lie in anonymous memory that the worker processes inherit, one block a worker, so nobody waits for a
lock and any worker can answer `/metrics` for all of them. Nothing is written to the file system.
"""

from __future__ import annotations

import mmap
import multiprocessing
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

PROTOCOLS = ("v1", "v2")
STATUSES = (200, 400, 404, 405, 413, 422, 500, 503)
LANES = ("green", "yellow", "red")
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BLOCKS = 64  # a worker that comes after a crash takes the next block

_REQUESTS = 0
_ROWS = _REQUESTS + len(PROTOCOLS) * len(STATUSES)
_BUCKETS = _ROWS + len(LANES)
_SECONDS = _BUCKETS + len(BUCKETS_SECONDS) + 1
_IN_FLIGHT = _SECONDS + 1
_SIZE = _IN_FLIGHT + 1
_DRAINING = BLOCKS * _SIZE  # one flag for all, after the blocks
_REQUEST_CELL = {
    (protocol, status): _REQUESTS + p * len(STATUSES) + s
    for p, protocol in enumerate(PROTOCOLS)
    for s, status in enumerate(STATUSES)
}
_LANE_CELL = {lane: _ROWS + i for i, lane in enumerate(LANES)}


class Telemetry:
    """The counters. Make it before the workers are started, and call `join` in each worker."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, (BLOCKS * _SIZE + 1) * 8)
        self._all = np.frombuffer(self._memory, dtype=np.float64)
        self._joined = multiprocessing.get_context("fork").Value("i", 0)
        # single cells of it are several times quicker to reach than those of an array
        self._cells = memoryview(self._memory).cast("d")
        self._own = self._cells[:_SIZE]

    def join(self) -> None:
        """Take a block of one's own."""
        with self._joined.get_lock():
            block = self._joined.value % BLOCKS
            self._joined.value += 1
        self._own = self._cells[block * _SIZE : (block + 1) * _SIZE]
        self._own[_IN_FLIGHT] = 0

    @property
    def draining(self) -> bool:
        """Whether the server was told to stop: it still answers, but is not ready for more."""
        return bool(self._cells[_DRAINING])

    def drain(self) -> None:
        """Tell all workers that the server was told to stop."""
        self._cells[_DRAINING] = 1

    def began(self) -> None:
        """Count a request that began."""
        self._own[_IN_FLIGHT] += 1

    def ended(self, protocol: str, status: int, seconds: float, lanes: Sequence[str] = ()) -> None:
        """Count a request that ended."""
        own = self._own
        own[_IN_FLIGHT] -= 1
        own[_REQUEST_CELL.get((protocol, status), _REQUEST_CELL[protocol, 500])] += 1
        for lane in lanes:
            own[_LANE_CELL[lane]] += 1
        own[_BUCKETS + bisect_left(BUCKETS_SECONDS, seconds)] += 1
        own[_SECONDS] += seconds

    def render(self, model: str, digest: str) -> str:
        """Return all workers' counters as Prometheus text."""
        total = self._all[:_DRAINING].reshape(BLOCKS, _SIZE).sum(axis=0)
        lines = [
            "# HELP risk_scoring_model_info The served model.",
            "# TYPE risk_scoring_model_info gauge",
            f'risk_scoring_model_info{{model="{model}",digest="{digest}"}} 1',
            "# HELP risk_scoring_requests_total Prediction requests by protocol and HTTP status.",
            "# TYPE risk_scoring_requests_total counter",
        ]
        for p, protocol in enumerate(PROTOCOLS):
            for s, status in enumerate(STATUSES):
                count = int(total[_REQUESTS + p * len(STATUSES) + s])
                lines.append(f'risk_scoring_requests_total{{protocol="{protocol}",status="{status}"}} {count}')
        lines += [
            "# HELP risk_scoring_declarations_total Scored declarations by lane.",
            "# TYPE risk_scoring_declarations_total counter",
        ]
        for i, lane in enumerate(LANES):
            lines.append(f'risk_scoring_declarations_total{{lane="{lane}"}} {int(total[_ROWS + i])}')
        lines += [
            "# HELP risk_scoring_request_duration_seconds Time from the whole request read to the answer made.",
            "# TYPE risk_scoring_request_duration_seconds histogram",
        ]
        below = np.cumsum(total[_BUCKETS:_SECONDS]).astype(int)
        for bound, count in zip((*map(str, BUCKETS_SECONDS), "+Inf"), below, strict=True):
            lines.append(f'risk_scoring_request_duration_seconds_bucket{{le="{bound}"}} {count}')
        lines += [
            f"risk_scoring_request_duration_seconds_sum {float(total[_SECONDS]):.6f}",
            f"risk_scoring_request_duration_seconds_count {below[-1]}",
            "# HELP risk_scoring_requests_in_flight Prediction requests being answered.",
            "# TYPE risk_scoring_requests_in_flight gauge",
            f"risk_scoring_requests_in_flight {int(total[_IN_FLIGHT])}",
            "",
        ]
        return "\n".join(lines)
