"""Delay packets in user space, where the kernel has no netem: `python -m portolan.sandbox.delay DEVICE MILLISECONDS`.

What is routed into the TUN device comes out of it again so much later. Order is kept.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import time
from collections import deque

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET_BYTES = 65_536
# What is on its way at once: beyond it the line drops, as a full router does. 100 ms of 1 Gbit/s in small packets.
MOST_PACKETS = 100_000


def open_device(name: str) -> int:
    """Make the TUN device and return its file descriptor; it is gone when the descriptor is closed."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22s", name.encode(), IFF_TUN | IFF_NO_PI, b""))
    return descriptor


def pass_on(descriptor: int, seconds: float) -> None:
    """Hold each packet for so long, then give it back; never returns."""
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, packet = waiting.popleft()
            try:
                os.write(descriptor, packet)
            except OSError:  # no route any more: lost, as on a real line
                continue
        patience = max(0.0, waiting[0][0] - now) if waiting else None
        readable, _, _ = select.select([descriptor], [], [], patience)
        if not readable:
            continue
        due = time.monotonic() + seconds
        for _ in range(256):  # then those that are due have their turn
            try:
                packet = os.read(descriptor, PACKET_BYTES)
            except (BlockingIOError, OSError):
                break
            if len(waiting) < MOST_PACKETS:
                waiting.append((due, packet))


if __name__ == "__main__":
    pass_on(open_device(sys.argv[1]), float(sys.argv[2]) / 1000)
