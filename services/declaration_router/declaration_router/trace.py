"""W3C trace context: the identity that a declaration's requests share, here and in every model that is asked."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

HEADER = "traceparent"
_PATTERN = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True)
class Trace:
    """A request's place in a trace."""

    trace_id: str
    span_id: str
    flags: str = "01"

    def child(self) -> Trace:
        """Return the place of a request that this one makes."""
        return Trace(self.trace_id, secrets.token_hex(8), self.flags)

    def header(self) -> str:
        """Return the value of `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def read_trace(header: str | None) -> Trace:
    """Return the caller's trace, a span of ours in it; a new trace where there is none or it is malformed.

    >>> read_trace("00-" + "a" * 32 + "-" + "b" * 16 + "-01").trace_id == "a" * 32
    True
    """
    match = _PATTERN.fullmatch(header or "")
    if match is None or set(match[1]) == {"0"} or set(match[2]) == {"0"}:
        return Trace(secrets.token_hex(16), secrets.token_hex(8))
    return Trace(match[1], secrets.token_hex(8), match[3])
