"""The by-hand side of the hardware benchmark reads what the tools print for people."""

from __future__ import annotations

import pytest

from benchmarks.hardware.by_hand import read_fio, read_iperf3


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("   READ: bw=1172MiB/s (1229MB/s), 1172MiB/s-1172MiB/s", 1172 * 2**20),
        ("  WRITE: bw=1.5GiB/s (1.6GB/s)", 1.5 * 2**30),
    ],
)
def test_fio(line, value):
    assert read_fio(line) == value


def test_iperf3_tells_the_receiver():
    text = (
        "[  5] 0.00-3.00 sec 9.0 GBytes 25.0 Gbits/sec 0 sender\n[  5] 0.00-3.00 sec 8.5 GBytes 24.3 Gbits/sec receiver"
    )
    assert read_iperf3(text) == 24.3e9


@pytest.mark.parametrize("read", [read_fio, read_iperf3])
def test_an_unknown_output_gives_no_figure(read):
    with pytest.raises(ValueError, match="no "):
        read("something else")
