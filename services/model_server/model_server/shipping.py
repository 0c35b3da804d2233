"""The log of a pod, put into the object store while it grows, so that it outlives the pod.

One process a server does it, beside those that answer: every few seconds each segment that changed is put there whole,
under its own name, and one that is full is removed here once it is there. What a server of before left in the folder,
because it was killed, goes first. Where the store does not answer, segments stay and the failures are counted.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from model_server.errors import ServiceError
from model_server.segments import Segment, segment_of
from model_server.storage import Store, open_store
from model_server.telemetry import Telemetry

KINDS = ("decisions", "requests")
LAST_SECONDS = 10  # for the last lines of a server that stops; with its other times less than a pod is given
FORK = multiprocessing.get_context("fork")


def checked(address: str) -> str:
    """Return an address that segments can be put to, with a slash at its end. Raises ServiceError."""
    parts = urlsplit(address)
    if parts.scheme == "s3" and parts.netloc:
        if find_spec("boto3") is None:
            raise ServiceError(address, "boto3 is not installed", "install the extra 'storage'")
    elif parts.scheme == "s3" or parts.scheme not in ("", "file") or parts.netloc:
        raise ServiceError(address, "no address of a store", "use a path, file:///path or s3://BUCKET/PREFIX/")
    return address if address.endswith("/") else f"{address}/"


class Shipper:
    """Puts the segments that this host's server writes to `folder` into a store."""

    def __init__(self, folder: Path, store: Store, host: str, left: frozenset[str] = frozenset()) -> None:
        """`left` are names of a server of before: nobody adds to them any more."""
        self._folder = folder
        self._store = store
        self._prefixes = tuple(f"{kind}-{host}-" for kind in KINDS)
        self._left = left
        self._there: dict[str, tuple[int, int]] = {}  # the time and size of what the store has

    def ship(self) -> None:
        """Put what changed into the store. Raises ServiceError or OSError where that fails; the rest goes next time."""
        found = sorted(segment_of(name) for name in own(self._folder, self._prefixes))
        newest = {segment.log: segment for segment in found}
        for segment in found:
            self._put(segment, full=segment != newest[segment.log] or segment.name in self._left)

    def _put(self, segment: Segment, full: bool) -> None:
        path = self._folder / segment.name
        seen = path.stat()
        stamp = (seen.st_mtime_ns, seen.st_size)
        if self._there.get(segment.name) != stamp:
            content = path.read_bytes()
            # a line that is being written is no line yet
            self._store.write(segment.name, content[: content.rfind(b"\n") + 1])
            self._there[segment.name] = stamp
        if full:
            path.unlink()
            del self._there[segment.name]


def own(folder: Path, prefixes: tuple[str, ...]) -> list[str]:
    """Return the names of segments in `folder` that begin with one of `prefixes`: others may share the folder."""
    return [name for one in folder.iterdir() if (name := one.name).startswith(prefixes) and name.endswith(".jsonl")]


class Shipping:
    """The process that ships. Begin it before the server's own: it is forked while there is one thread."""

    def __init__(self, folder: Path, address: str, seconds: float, telemetry: Telemetry) -> None:
        host = socket.gethostname()
        left = frozenset(own(folder, tuple(f"{kind}-{host}-" for kind in KINDS)))
        self._stop = FORK.Event()
        self._process = FORK.Process(
            target=_run,
            args=(folder, address, host, left, seconds, self._stop, telemetry),
            name="shipping",
            daemon=True,
        )
        self._process.start()

    def finish(self) -> None:
        """Ship what is left and wait for it, for so long as a server that stops may take."""
        self._stop.set()
        self._process.join(LAST_SECONDS)


def _wait(seconds: float, stop: Any, server: int) -> bool:
    """Wait, and return whether the server stops or has gone meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if stop.wait(min(left, 1.0)) or os.getppid() != server:
            return True
    return False


def _run(
    folder: Path, address: str, host: str, left: frozenset[str], seconds: float, stop: Any, telemetry: Telemetry
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the server's processes get it too, and stop first
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    telemetry.join()
    server = os.getppid()
    shipper: Shipper | None = None
    failing = False
    last = False
    while not last:
        last = _wait(seconds, stop, server)
        try:
            shipper = shipper or Shipper(folder, open_store(address), host, left)
            shipper.ship()
            failing = False
        except (ServiceError, OSError) as error:
            telemetry.count_shipping_failure()
            if not failing:  # once a failure, not once a round
                print(f"the log is not shipped: {error}", file=sys.stderr, flush=True)
            failing = True
