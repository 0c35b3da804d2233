"""The same tools as an operator would run them, and their figures as they print them for people."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time

PREFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
DECIMAL = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9}
FIO = "fio --name=hand --directory=. --size=512m --rw={kind} --bs={block} --ioengine=libaio --direct=1 --iodepth={depth} --runtime=5 --time_based"  # noqa: E501
ADDRESS, PORT = "127.0.0.1", 5202


def read_fio(text: str) -> float:
    """Return bytes a second of fio's closing line.

    >>> read_fio("   READ: bw=1172MiB/s (1229MB/s), 1172MiB/s")
    1228931072.0
    """
    found = re.search(r"(?:READ|WRITE): bw=([\d.]+)([KMG]?)iB/s", text)
    if found is None:
        raise ValueError(f"no bandwidth in {text[-200:]!r}")
    return float(found.group(1)) * PREFIXES[found.group(2)]


def read_iperf3(text: str) -> float:
    """Return bits a second of the receiver's closing line.

    >>> read_iperf3("[  5]   0.00-3.00   sec  8.5 GBytes  24.3 Gbits/sec                  receiver")
    24300000000.0
    """
    found = re.search(r"([\d.]+) ([KMG]?)bits/sec\s+receiver", text)
    if found is None:
        raise ValueError(f"no receiver in {text[-200:]!r}")
    return float(found.group(1)) * DECIMAL[found.group(2)]


def fio(kind: str, block: str, depth: int) -> float:
    """Run fio in a directory of its own on the file system of /var/lib."""
    with tempfile.TemporaryDirectory(prefix="portolan-hand.", dir="/var/lib") as place:
        command = FIO.format(kind=kind, block=block, depth=depth).split()
        return read_fio(subprocess.run(command, cwd=place, capture_output=True, text=True, check=True).stdout)


def iperf3() -> float:
    """Run iperf3 over the loopback interface."""
    server = subprocess.Popen(
        ["iperf3", "-s", "-1", "-B", ADDRESS, "-p", str(PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        command = ["iperf3", "-c", ADDRESS, "-p", str(PORT), "-t", "3"]
        return read_iperf3(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    finally:
        server.terminate()
        server.wait(5)
