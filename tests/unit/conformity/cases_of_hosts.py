"""Cases of the checks that look at a host, or at two. Outputs by file name: `outputs/README.md`."""

from __future__ import annotations

import json

from tests.unit.conformity.case import PRESENT, Case, changed, prints
from tests.unit.conformity.scenes import Scene, text

BOARD = text("dmidecode-board.txt")
CARD = "physical\nSettings for eth0:\n\tSupported link modes:   1000baseT/Full\n\t   10000baseT/Full\n"
CARD += "\tSupported pause frame use: Symmetric\n"
NFS = "nfs4 20000000000000 /srv/shared rw,relatime,vers=4.2,rsize=1048576\nmounts-end\n"
PHYSICAL_DISKS = text("lsblk.json", ('"tran": null', '"tran": "nvme"'), ('"rota": true', '"rota": false'))
TURNING_DISKS = text("lsblk.json", ('"tran": null', '"tran": "sata"'), ('"rota": false', '"rota": true'))
TRANSFER = text("fio-sequential-read.json")
WRITTEN = json.loads(TRANSFER)
WRITTEN["jobs"][0]["write"] = WRITTEN["jobs"][0]["read"]
WRITTEN = json.dumps(WRITTEN)
SLOW = ((r'"bw_bytes" ?: \d+', '"bw_bytes": 9'), (r'"iops" ?: [\d.]+', '"iops": 9.0'))
XID = "log-begins\nNVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\nlog-ends\n"
SSHD = "permitrootlogin no\npasswordauthentication no\nkbdinteractiveauthentication no\npermitemptypasswords no\n"
TWO_THREADS = text("lscpu.json", (r'(Thread\(s\) per core:",\s*"data":\s*)"1"', r'\1"2"'))
STREAM = text("stress-ng-stream.txt")
SLOW_STREAM = text("stress-ng-stream.txt", (r"rate: .* MB write/sec", "rate: 1.0 MB read/sec, 1.0 MB write/sec"))
ALL_REDUCE = text("all-reduce.txt")
BETWEEN = ALL_REDUCE.partition("devices 2\n")[2].partition("devices 4\n")[0]


def figure(key: str, better: float, worse: float, statistic: str = "value") -> Case:
    """Return the case of a figure that the GPU program prints."""
    good = json.loads(text("accelerator.json"))
    bad = json.loads(text("accelerator.json"))
    place = bad["devices"][0]["operations_per_second"] if key in ("bf16",) else bad["devices"][0]
    assert key in place
    place[key] = worse
    return Case(">=", better, Scene(json.dumps(good)), Scene(json.dumps(bad)), statistic)


CASES: dict[str, Case] = {
    # Hosts: facts.
    "host.cpu-cores": prints(">=", 8, "8\n", "4\n"),
    "host.memory-bytes": prints(">=", 8e9, "16000000\n", "4000000\n"),
    "host.disk-bytes": prints(">=", 1e12, "H S\n/dev/sda 2000000000000\n", "H S\n/dev/sda 500000000000\n"),
    "host.accelerators": prints(">=", 2, "NVIDIA L4, 8.9\nNVIDIA L4, 8.9\n", "NVIDIA L4, 8.9\n"),
    "host.accelerator-compute-capability": prints(">=", 7.5, "NVIDIA L4, 8.9\n", "NVIDIA V100, 7.0\n"),
    "host.link-speed": prints(">=", 10e9, "eth0 25000 yes\n", "eth0 1000 yes\n"),
    "host.firewall": prints(*PRESENT, "\n-P INPUT DROP\n", "\n-P INPUT ACCEPT\n"),
    "host.time-synchronised": prints(*PRESENT, "none\nyes\n", "none\nno\n"),
    "host.swap-off": prints(*PRESENT, "", "/dev/sda3 partition 1 0 -2\n"),
    "host.ssh-hardened": prints(*PRESENT, SSHD, SSHD.replace("permitrootlogin no", "permitrootlogin yes")),
    "host.operating-system": prints("==", "debian 12", "debian 12\n", "debian 11\n"),
    # Processors and memory.
    "host.processor-architecture": changed(*PRESENT, "lscpu.json", ("x86_64", "sparc")),
    "host.processor-family": changed(*PRESENT, "lscpu.json", ("AMD EPYC", "AMD Ryzen")),
    "host.simultaneous-multithreading": prints(*PRESENT, TWO_THREADS, text("lscpu.json")),
    "host.third-level-cache-bytes": changed(">=", 30e6, "lscpu.json", ("33554432", "3355443")),
    "host.vector-extensions": changed(*PRESENT, "lscpu.json", ("avx", "xxx")),
    "host.memory-kind": changed(*PRESENT, "dmidecode.txt", ("DDR4", "DDR3")),
    "host.memory-speed": changed(">=", 2.933e9, "dmidecode.txt", ("2933 MT", "2400 MT"), statistic="ddr4"),
    "host.memory-error-correction": changed(*PRESENT, "dmidecode.txt", ("Multi-bit ECC", "None")),
    "host.memory-errors": prints("<=", 0, "edac 0 3 2\n", "edac 1 3 2\n"),
    "host.memory-rate": prints(">=", 1e9, STREAM, SLOW_STREAM),
    "host.memory-rate-of-peers": Case(
        ">=", 0.9, Scene({"one": STREAM, "two": STREAM}), Scene({"one": SLOW_STREAM, "two": STREAM})
    ),
    "host.processor-faults": changed("<=", 0, "stress-ng-cpu.txt", (r"\A", "stress-ng: fail:  [12] cpu: fft error\n")),
    # Boards, sensors and cards.
    "host.memory-capacity-bytes": prints(">=", 512e9, BOARD, text(BOARD, ("1 TB", "256 GB"))),
    "host.memory-channels": prints(">=", 2, BOARD, text(BOARD, ("CHANNEL B", "CHANNEL A"))),
    "host.wide-slots": prints(">=", 2, BOARD, text(BOARD, ("x16", "x8"))),
    "host.sensors-out-of-range": changed("<=", 0, "ipmitool-sdr.txt", ("ok", "cr")),
    "host.temperature": changed("<=", 80, "ipmitool-sdr.txt", ("46 degrees", "91 degrees")),
    "host.power-watts": changed("<=", 900, "ipmitool-power.txt", ("418 Watts", "1418 Watts")),
    "host.processor-throttled": prints("<=", 0, "throttle 0 64\n", "throttle 7 64\n"),
    "host.link-capability": prints(">=", 10e9, CARD, CARD.replace("10000baseT", "100baseT")),
    "host.block-bytes": changed(">=", 1e11, "lsblk.json", ("274877906944", "27487790694")),
    # Disks.
    "host.disk-solid-state": prints(*PRESENT, PHYSICAL_DISKS, TURNING_DISKS),
    "host.disk-nvme": prints(*PRESENT, PHYSICAL_DISKS, TURNING_DISKS),
    "host.disk-sequential-read": prints(">=", 1e6, TRANSFER, text(TRANSFER, SLOW[0])),
    "host.disk-sequential-write": prints(">=", 1e6, WRITTEN, text(WRITTEN, SLOW[0])),
    "host.disk-random-read": prints(">=", 100, TRANSFER, text(TRANSFER, SLOW[1])),
    "host.disk-random-write": prints(">=", 100, WRITTEN, text(WRITTEN, SLOW[1])),
    "host.disk-durable-seconds": changed(
        "<=", 0.01, "fio-log.json", (r'"99.000000" : \d+', '"99.000000" : 99000000'), statistic="p99"
    ),
    # Network.
    "host.pair-throughput": changed(
        ">=", 1e9, "iperf3.json", (r'"bits_per_second":\s+[\d.e+]+', '"bits_per_second": 9')
    ),
    "host.pair-round-trip-seconds": changed("<=", 0.001, "ping.txt", ("0.052", "5.052")),
    "host.pair-loss": changed("<=", 0, "ping.txt", ("20 received", "19 received")),
    "host.pair-frame-bytes": prints(">=", 1500, "frame 9000\n", "frame 1420\n"),
    "host.infiniband-rate": prints(
        ">=", 1e10, "mlx5_0/1 4: ACTIVE 100 Gb/sec (4X EDR)\nports-end\n",
        "mlx5_0/1 1: DOWN 100 Gb/sec (4X EDR)\nports-end\n",
    ),
    "host.pair-infiniband-rate": changed(">=", 9e10, "ib_write_bw.txt", (r"96\.54", "9.54")),
    "host.pair-infiniband-seconds": changed("<=", 5e-6, "ib_write_lat.txt", (r"0\.98 ", "9.98 ")),
    # Accelerators.
    "host.accelerator-memory-bytes": changed(">=", 8e9, "nvidia-smi.csv", ("81559", "4096")),
    "host.accelerator-memory-total-bytes": changed(">=", 64e9, "nvidia-smi.csv", ("81559", "4096")),
    "host.accelerator-memory-errors": changed("<=", 0, "nvidia-smi.csv", ("Enabled, 0", "Enabled, 2")),
    "host.accelerators-throttled": changed("<=", 0, "nvidia-smi.csv", ("Not Active", "Active")),
    "host.accelerator-bus-width": changed(*PRESENT, "nvidia-smi.csv", ("16, 16", "8, 16")),
    "host.accelerator-xid-errors": prints("<=", 0, "log-begins\nlog-ends\n", XID),
    "host.accelerator-cuda-cores": figure("multiprocessors", 3500, 13),
    "host.accelerator-memory-rate": figure("memory_bytes_per_second", 3e11, 2e11),
    "host.accelerator-memory-of-datasheet": figure("memory_bytes_per_second", 0.9, 2.9e12),
    "host.accelerator-bus-rate": figure("to_device_bytes_per_second", 2e10, 1e10, "to-device"),
    "host.accelerator-products": figure("bf16", 7e14, 6e14, "bf16"),
    "host.accelerator-bf16-of-datasheet": figure("bf16", 0.75, 7e14),
    "host.accelerator-links-down": changed("<=", 0, "nvlink.txt", (r"Link 3: 26\.562 GB/s", "Link 3: <inactive>")),
    "host.accelerator-partitions-alike": prints(
        *PRESENT, "mode Disabled\nmode Disabled\nGPU 0: X\nGPU 1: X\npartitions-end\n",
        "mode Enabled\nmode Disabled\nGPU 0: X\nGPU 1: X\npartitions-end\n",
    ),
    "host.accelerator-diagnostics": changed("<=", 0, "dcgmi.json", ("Pass", "Fail")),
    "host.accelerator-all-reduce": prints(
        ">=", 1e10, ALL_REDUCE, text(ALL_REDUCE, (r"(bandwidth\s+: )\d[\d.]+", r"\g<1>1.5")), "two"
    ),
    "cluster.accelerator-all-reduce": prints(
        ">=", 1e9, BETWEEN, text(BETWEEN, (r"(bandwidth\s+: )\d[\d.]+", r"\g<1>0.5"))
    ),
    # Shared storage.
    "host.shared-storage-version": prints(">=", 3, NFS, NFS.replace("vers=4.2", "vers=2")),
    "host.shared-storage-bytes": prints(">=", 10e12, NFS, NFS.replace("20000000000000", "2000000000000")),
    "host.shared-storage-read": prints(">=", 1e6, TRANSFER, text(TRANSFER, SLOW[0])),
    "host.shared-storage-write": prints(">=", 1e6, WRITTEN, text(WRITTEN, SLOW[0])),
    "host.shared-storage-several": prints(">=", 1e6, WRITTEN, text(WRITTEN, SLOW[0])),
}  # fmt: skip
