"""A line for every request that is answered: who asked, what was asked and answered, by which version.

Contents do not enter it: the digests of a request and of its answer show, to whoever kept them, that they are the ones.
An answer does not wait for the disk; what was noted is put there every second. Where the disk takes no more, answers go
on and the failures are counted.
"""

from __future__ import annotations

import threading
from hashlib import sha256

from model_server.audit import AuditLog
from model_server.telemetry import Telemetry

FLUSH_SECONDS = 1.0  # what a host that dies may take with it


class Journal:
    """The lines of one worker."""

    def __init__(self, log: AuditLog, telemetry: Telemetry) -> None:
        self._log = log
        self._telemetry = telemetry
        self._stop = threading.Event()
        self._flushing = threading.Thread(target=self._flush, name="journal", daemon=True)
        self._flushing.start()

    def note(
        self, protocol: str, status: int, arm: str, digest: str, caller: str, asked: bytes, answered: bytes
    ) -> None:
        """Note a request; `caller` is masked in the log."""
        entry = {
            "protocol": protocol,
            "status": status,
            "arm": arm,
            "model_digest": digest,
            "caller": caller,
            "asked": sha256(asked).hexdigest(),
            "answered": sha256(answered).hexdigest(),
        }
        try:
            self._log.note("request", entry)
        except OSError:
            self._telemetry.count_audit_failure()

    def stop(self) -> None:
        """Put the last lines on the disk."""
        self._stop.set()
        self._flushing.join()

    def _flush(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self._once()
        self._once()

    def _once(self) -> None:
        try:
            self._log.flush()
        except OSError:
            self._telemetry.count_audit_failure()
