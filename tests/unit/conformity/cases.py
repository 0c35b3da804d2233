"""For every registered check: a target, a scene that reaches it and one that falls below.

A check that is not here makes `test_every_check.py` fail. Outputs by file name were recorded or composed
(`outputs/README.md`); others stand here whole.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import Any

from portolan.conformity import exposure, results
from portolan.conformity.behaviour import GROUPS
from portolan.conformity.check import Reading
from tests.unit.conformity.scenes import Scene, listed, text
from tests.unit.conformity.test_endpoints import answer_v1, answer_v2


@dataclass(frozen=True)
class Case:
    """A target, and what is above and below it."""

    operator: str
    value: float | str
    good: Scene
    worse: Scene
    statistic: str = "value"


def prints(operator: str, value: float | str, good: str, worse: str, statistic: str = "value") -> Case:
    """Return the case of a tool that prints one thing and then a worse one."""
    return Case(operator, value, Scene(good), Scene(worse), statistic)


def changed(operator: str, value: float | str, name: str, *swaps: tuple[str, str], statistic: str = "value") -> Case:
    """Return the case of a recorded output and of the same with words changed."""
    return prints(operator, value, text(name), text(name, *swaps), statistic)


def asks(operator: str, value: float | str, good: dict[str, Any], worse: dict[str, Any]) -> Case:
    """Return the case of a server that answers one thing and then a worse one, beside what it answers in both."""
    return Case(operator, value, Scene(answers=good), Scene(answers=good | worse))


PRESENT = ("present", "present")


def node(name: str = "one", ready: str = "True", version: str = "v1.36.3", gpus: str = "4") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {}},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"nvidia.com/gpu": gpus},
            "nodeInfo": {"kubeletVersion": version, "architecture": "", "bootID": "", "containerRuntimeVersion": "",
                         "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "",
                         "osImage": "", "systemUUID": ""},
            "images": [{"names": ["registry.k8s.io/pause:3.10.1"]}],
        },
    }  # fmt: skip


VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "", "gitTreeState": "", "buildDate": "",
           "goVersion": "", "compiler": "", "platform": ""}  # fmt: skip
NAMESPACES = listed(
    *(
        {"metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
        for name in ("portolan-system", "kserve", "kuberay-system", "risk-scoring")
    )
)
LOOSE = json.loads(json.dumps(NAMESPACES).replace("restricted", "privileged", 1))
STAYS = (403, {"reason": "Invalid", "message": "HYB-9.5.4-02: sensitive data stay in the local data centre"})
TWO_PLACES = {
    "GET nodes": listed(
        {"metadata": {"name": "one", "labels": {"portolan.dev/location-kind": "on-site"}}},
        {"metadata": {"name": "two", "labels": {"portolan.dev/location-kind": "cloud"}}},
    ),
    "GET namespaces": listed({"metadata": {"name": "scores", "labels": {"portolan.dev/data-class": "sensitive"}}}),
    "GET pods": listed(
        {"metadata": {"namespace": "scores", "name": "p"}, "spec": {"containers": [], "nodeName": "one"}}
    ),
}
VIOLATES = (403, {"reason": "Forbidden", "message": "violates PodSecurity"})
EXCEEDED = (403, {"reason": "Forbidden", "message": "exceeded quota: one"})
SERVICES = {
    "GET kube-dns": {"spec": {"clusterIP": "10.80.0.10", "ports": [{"port": 53}]}},
    "GET kubernetes": {"spec": {"clusterIP": "10.80.0.1", "ports": [{"port": 443}]}},
}
AUDIT = '3 {"kind": "Event", "apiVersion": "audit.k8s.io/v1"}'


def pod(**security: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "securityContext": security}]}
    return {"metadata": {"namespace": "kserve", "name": "p"}, "spec": spec, "status": {"phase": "Running"}}


def role(*verbs: str) -> dict[str, Any]:
    return {"metadata": {"name": "all"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": list(verbs)}]}


BINDING = {
    "metadata": {"name": "b"},
    "roleRef": {"apiGroup": "", "kind": "ClusterRole", "name": "all"},
    "subjects": [{"kind": "User", "name": "eve"}],
}
TLS = {
    "good": {(exposure, "accepted_versions"): lambda host, port: {"1.1": "refused", "1.2": "accepted"}},
    "worse": {(exposure, "accepted_versions"): lambda host, port: {"1.0": "accepted", "1.2": "accepted"}},
}


def tls(versions: str) -> Scene:
    """Return a scene whose servers accept these versions of TLS; the handshakes themselves are `test_probes.py`'s."""
    return Scene(patches=TLS[versions])


def condition(kind: str, status: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": status, "message": "m"}]}}


STORAGE_URI = {"spec": {"predictor": {"model": {"storageUri": "s3://models/risk-scoring/1"}}}}
DIGEST_OF_MODEL = "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"  # of the bytes b"model"


def stored(card: dict[str, Any], model: bytes = b"model") -> Scene:
    """Return a scene with a model, its manifest and its card in the store, and the endpoint that serves it."""
    place, manifest = "models/risk-scoring/1/", {"files": {"model": DIGEST_OF_MODEL}, "model_digest": "ab12"}
    return Scene(
        answers={"GET risk-scoring": STORAGE_URI, "POST risk-scoring:predict": answer_v1, "GET live": {}},
        objects={
            f"{place}MANIFEST.json": json.dumps(manifest).encode(),
            f"{place}card.json": json.dumps(card).encode(),
            f"{place}model": model,
        },
    )


def fair(*groups: str) -> dict[str, Any]:
    return {"evaluation": {"fairness": {"origin": {"groups": {g: {"inspected_without_cause": 0.1} for g in groups}}}}}


def scaler(most: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": most, "minReplicas": 1, "scaleTargetRef": {"kind": "Deployment", "name": "d"}},
        "status": {"desiredReplicas": 1, "conditions": [{"type": "ScalingActive", "status": "True", "message": "m"}]},
    }


QUOTA = listed({"metadata": {"name": "q"}, "status": {"hard": {"cpu": "4"}}})
CLAIM_POD = {
    "metadata": {"name": "object-store-0"},
    "spec": {"containers": [], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
}


def claim(size: str) -> dict[str, Any]:
    return {"metadata": {"name": "data"}, "status": {"phase": "Bound", "capacity": {"storage": size}}}


def storage_class(grows: bool) -> dict[str, Any]:
    return {"metadata": {"name": "fast"}, "provisioner": "csi", "reclaimPolicy": "Delete",
            "allowVolumeExpansion": grows}  # fmt: skip


def endpoints_on(*names: str) -> dict[str, Any]:
    ready = [{"addresses": ["10.0.0.1"], "nodeName": name, "conditions": {"ready": True}} for name in names]
    labels = {"kubernetes.io/service-name": "risk-scoring-predictor"}
    gone = {
        "metadata": {"name": "old", "labels": labels},
        "addressType": "IPv4",
    }  # as the API server gives one without any
    return listed({"metadata": {"name": "s", "labels": labels}, "addressType": "IPv4", "endpoints": ready}, gone)


def workload(manager: str) -> dict[str, Any]:
    spec = {"selector": {}, "template": {}}
    return {"metadata": {"name": "w", "namespace": "kserve", "managedFields": [{"manager": manager}]}, "spec": spec}


EMPTY = {f"GET {kind}": listed() for kind in ("deployments", "statefulsets", "daemonsets")}
READY = {"type": "MODIFIED", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"},
                                        **condition("Ready", "True")}}  # fmt: skip


def after(seconds: float) -> Any:
    def answer(asked: Any) -> Any:
        time.sleep(seconds)
        return READY

    return answer


VOLUME = {
    "GET storageclasses": listed(storage_class(True)), "GET nodes": listed(node()),
    "POST persistentvolumeclaims": {}, "POST pods": {}, "WATCH pods": after(0.0),
}  # fmt: skip


def groups(*left_out: str) -> dict[str, Any]:
    names = [name for name in GROUPS if name not in left_out]
    entries = [
        {"name": name.partition("/")[0], "versions": [{"groupVersion": name, "version": name.rpartition("/")[2]}]}
        for name in names
    ]
    return {"GET apis": {"kind": "APIGroupList", "groups": entries}}


def figures(ratio: float) -> str:
    one = {"name": "n", "value": 1.0, "unit": "s", "ratio": ratio, "limit": 2.0, "host": "h", "command": "c"}
    return json.dumps([one | {"time": "2999-01-01T00:00:00Z"}])


def benchmark(ratio: float) -> Scene:
    """Return a scene in which every benchmark has written a figure of that ratio to its peer."""
    return Scene(remembered={"figures": figures(ratio)}, patches={(results, "written"): lambda name: figures(ratio)})


def times(seconds: float) -> Scene:
    values = [seconds] * 200
    return Scene(json.dumps({"service": values, "name": values}), SERVICES)


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
MODEL = stored({"training": {"worker_nodes": ["one", "two"]}} | fair("FR", "BE"))
ONE_NODE = stored({"training": {"worker_nodes": ["one"]}} | fair("FR"))
RATE = 3e8
PREDICTS = {"POST risk-scoring:predict": answer_v1, "POST infer": answer_v2, "GET live": {}}


def wrong_score(document: Any) -> Any:
    found = answer_v1(document)
    found["predictions"][0]["score"] = 2.0
    return found


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
    "platform.object-store-put-rate": Case(">=", RATE, Scene(), Scene(slow_seconds=0.3), "eight"),
    "platform.object-store-get-rate": Case(">=", RATE, Scene(), Scene(slow_seconds=0.3), "eight"),
    # Exposure, rights and guards.
    "host.unknown-ports": prints(
        "<=", 0, "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n", "tcp LISTEN 0 128 0.0.0.0:3306 0.0.0.0:*\n"
    ),
    "host.etcd-fsync-seconds": changed(
        "<=", 0.002, "etcd-metrics.txt", ('"0.002"} 1990', '"0.002"} 1900'), statistic="p99"
    ),
    "host.audit-daemon": prints(*PRESENT, "sensor auditd active\nsensors-end\n", "sensor auditd failed\nsensors-end\n"),
    "cluster.tls-version": Case(">=", "1.2", tls("good"), tls("worse")),
    "endpoint.tls-version": Case(">=", "1.2", tls("good"), tls("worse")),
    "cluster.containers-as-root": asks(
        "<=", 0, {"GET pods": listed(pod(runAsNonRoot=True))}, {"GET pods": listed(pod(runAsUser=0))}
    ),
    "cluster.administrators": asks(
        "<=", 0, {"GET clusterroles": listed(role("get")), "GET clusterrolebindings": listed(BINDING)},
        {"GET clusterroles": listed(role("*"))},
    ),
    "cluster.vpn": prints(
        *PRESENT, "wireguard wg0 unknown 2 14\ntunnels-end\n", "wireguard wg0 unknown 0 -1\ntunnels-end\n"
    ),
    "cluster.load-balancer": prints(
        *PRESENT, "balancer haproxy 0.0.0.0:8443\nserver api/control-1 UP\nbalancers-end\n",
        "balancer haproxy 0.0.0.0:8443\nserver api/control-1 DOWN\nbalancers-end\n",
    ),
    "cluster.intrusion-detection": prints(
        *PRESENT, "sensor suricata active\nsensors-end\n", "sensor suricata failed\nsensors-end\n"
    ),
    "cluster.rights-by-role": asks(
        *PRESENT, {"POST subjectaccessreviews": {"spec": {}, "status": {"allowed": False}}},
        {"POST subjectaccessreviews": {"spec": {}, "status": {"allowed": True}}},
    ),
    "platform.object-store-refuses-anonymous": asks(*PRESENT, {"GET models": (403, {})}, {"GET models": {}}),
    # The cluster.
    "cluster.version": asks(
        ">=", "1.35", {"GET version": VERSION, "GET nodes": listed(node())},
        {"GET nodes": listed(node(version="v1.34.1"))},
    ),
    "cluster.nodes-ready": asks("==", 1.0, {"GET nodes": listed(node())}, {"GET nodes": listed(node(ready="False"))}),
    "cluster.gpus-per-node": asks(">=", 4, {"GET nodes": listed(node())}, {"GET nodes": listed(node(gpus="2"))}),
    "cluster.secrets-encrypted": prints(*PRESENT, "12 12\n", "11 12\n"),
    "cluster.audit-log": Case(
        *PRESENT, Scene(AUDIT, {"GET secrets": listed()}), Scene(AUDIT.replace("3 ", "900 "), {"GET secrets": listed()})
    ),
    "cluster.pod-security": asks(
        *PRESENT, {"GET namespaces": NAMESPACES, "POST pods": VIOLATES}, {"GET namespaces": LOOSE}
    ),
    "cluster.residency": asks(*PRESENT, TWO_PLACES | {"POST pods": STAYS}, {"POST pods": VIOLATES}),
    "cluster.dns": Case(*PRESENT, Scene("10.80.0.1\n", SERVICES), Scene("", SERVICES)),
    "cluster.conformance-groups": asks("<=", 0, groups(), groups("apps/v1")),
    "cluster.version-skew": asks(
        "<=", 3, {"GET version": VERSION, "GET nodes": listed(node())}, {"GET nodes": listed(node(version="v1.32.0"))}
    ),
    "cluster.service-seconds": Case("<=", 0.01, times(0.002), times(0.02), "p99"),
    "cluster.dns-seconds": Case("<=", 0.01, times(0.002), times(0.02), "p99"),
    "cluster.pod-start-seconds": Case(
        "<=", 5, Scene(remembered={"pod-starts": [1.0, 2.0]}), Scene(remembered={"pod-starts": [1.0, 6.0]}), "max"
    ),
    "cluster.volume-attach-seconds": asks("<=", 1.2, VOLUME, {"WATCH pods": after(1.3)}),
    "cluster.pods-placed": Case(
        ">=", 20, Scene(remembered={"scheduling": {"rate": Reading(90.0)}}),
        Scene(remembered={"scheduling": {"rate": Reading(9.0)}}),
    ),
    "cluster.queue-seconds": Case(
        "<=", 5, Scene(remembered={"scheduling": {"queue": Reading(0.5)}}),
        Scene(remembered={"scheduling": {"queue": Reading(9.0)}}),
    ),
    "cluster.storage-grows": asks(
        *PRESENT, {"GET storageclasses": listed(storage_class(True))},
        {"GET storageclasses": listed(storage_class(False))},
    ),
    # The platform.
    "platform.object-store": Case(*PRESENT, Scene(), Scene(corrupt=True)),
    "platform.object-store-bytes": asks(
        ">=", 10e12, {"GET pods": listed(CLAIM_POD), "GET persistentvolumeclaims": listed(claim("10Ti"))},
        {"GET persistentvolumeclaims": listed(claim("10Gi"))},
    ),
    "platform.inference-service-ready": asks(
        *PRESENT, {"GET risk-scoring": condition("Ready", "True")}, {"GET risk-scoring": condition("Ready", "False")}
    ),
    "platform.training-succeeded": asks(
        *PRESENT, {"GET risk-training": {"status": {"jobStatus": "SUCCEEDED"}}},
        {"GET risk-training": {"status": {"jobStatus": "FAILED"}}},
    ),
    "platform.training-nodes": Case(">=", 2, MODEL, ONE_NODE),
    "platform.served-model-is-trained-model": Case(
        *PRESENT, MODEL, replace(MODEL, answers=MODEL.answers | {
            "POST risk-scoring:predict": lambda asked: answer_v1(asked) | {"model_digest": "other"}
        }),
    ),
    "platform.quotas": asks(*PRESENT, {"GET resourcequotas": QUOTA, "POST pods": EXCEEDED}, {"POST pods": {}}),
    "platform.autoscaling": asks(
        *PRESENT, {"GET horizontalpodautoscalers": listed(scaler(3))},
        {"GET horizontalpodautoscalers": listed(scaler(1))},
    ),
    "platform.serving-nodes": asks(
        ">=", 2, {"GET endpointslices": endpoints_on("one", "two")}, {"GET endpointslices": endpoints_on("one")}
    ),
    "platform.made-by-hand": asks(
        "<=", 0, EMPTY | {"GET deployments": listed(workload("pulumi-kubernetes"))},
        {"GET deployments": listed(workload("kubectl-create"))},
    ),
    "platform.fairness-groups": Case(">=", 1, MODEL, ONE_NODE),
    **{f"platform.benchmark-{name}": Case("<=", 0, benchmark(1.5), benchmark(2.5)) for name in results.BENCHMARKS},
    # Endpoints.
    "endpoint.v1": asks(*PRESENT, PREDICTS, {"POST risk-scoring:predict": wrong_score}),
    "endpoint.v2": asks(*PRESENT, PREDICTS, {"POST risk-scoring:predict": wrong_score}),
    "endpoint.latency-seconds": Case(
        "<=", 1, Scene(remembered={"latency/risk-scoring": [0.01] * 200}),
        Scene(remembered={"latency/risk-scoring": [1.5] * 200}), "p95",
    ),
    "endpoint.tls": Case(*PRESENT, Scene(remembered={"tls": True}), Scene()),
}  # fmt: skip
