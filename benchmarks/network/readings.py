"""What iperf3 and ping say, as numbers."""

from __future__ import annotations

import json
import re

from portolan.errors import PortolanError


def megabits_per_second(output: str, where: str) -> float:
    """Return the throughput that the receiver saw, from `iperf3 --json`.

    Raises PortolanError where iperf3 measured nothing.
    """
    try:
        document = json.loads(output)
        if "error" in document:
            raise PortolanError(where, f"iperf3: {document['error']}", "look whether the line is cut, and run it again")
        return float(document["end"]["sum_received"]["bits_per_second"]) / 1e6
    except (ValueError, KeyError, TypeError) as error:
        raise PortolanError(where, f"iperf3 gave no result: {output[-200:]!r}", "run it again") from error


def round_trips_milliseconds(output: str) -> list[float]:
    """Return every round trip that `ping` saw."""
    return [float(found) for found in re.findall(r"time=([0-9.]+) ms", output)]


def moments(output: str) -> dict[str, float]:
    """Return when which address answered, from lines of a name and a time in seconds.

    >>> moments("bare 10.5\\ntunnel 12.25\\n")
    {'bare': 10.5, 'tunnel': 12.25}
    """
    return {name: float(seconds) for name, seconds in (line.split() for line in output.splitlines() if line.strip())}
