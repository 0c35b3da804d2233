"""Role gpu: inert without a device; with one, what it would do. A stand-in for nvidia-smi takes the place of GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined

from portolan.paths import REPOSITORY
from tests.ansible.loading import ANSIBLE, load
from tests.support.role_runs import check_role

accelerators = load("roles/gpu/files/accelerators.py")
probe = load("library/host_probe.py")

H100 = {
    "index": 0, "name": "NVIDIA H100 80GB HBM3", "ecc.mode.current": "Enabled", "ecc.mode.pending": "Enabled",
    "mig.mode.current": "Disabled", "mig.mode.pending": "Disabled", "instances": {},
}  # fmt: skip
WHOLE: dict[str, Any] = {"ecc": True, "partitions": {}}
SEVEN: dict[str, Any] = {"ecc": True, "partitions": {"1g.10gb": 7}}


def test_what_the_driver_prints_is_read_gpu_by_gpu():
    facts = (
        "0, NVIDIA H100 80GB HBM3, Enabled, Enabled, Enabled, Enabled\n1, NVIDIA L4, Disabled, Disabled, [N/A], [N/A]\n"
    )
    listing = (
        "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-a)\n"
        "  MIG 3g.40gb     Device  0: (UUID: MIG-a)\n"
        "  MIG 1g.10gb     Device  1: (UUID: MIG-b)\n"
        "  MIG 1g.10gb     Device  2: (UUID: MIG-c)\n"
        "GPU 1: NVIDIA L4 (UUID: GPU-b)\n"
    )
    first, second = accelerators.gpus(facts, listing)
    assert first["instances"] == {"3g.40gb": 1, "1g.10gb": 2}
    assert (second["index"], second["instances"], second["mig.mode.current"]) == (1, {}, "[N/A]")


@pytest.mark.parametrize(
    ("gpu", "wanted", "todo"),
    [
        (H100, WHOLE, []),
        (H100, SEVEN, ["mode", "split"]),
        ({**H100, "mig.mode.current": "Enabled", "mig.mode.pending": "Enabled"}, SEVEN, ["split"]),
        ({**H100, "mig.mode.current": "Enabled", "mig.mode.pending": "Enabled"}, WHOLE, ["mode"]),
        ({**H100, "mig.mode.pending": "Enabled"}, SEVEN, ["restart", "split"]),
        ({**H100, "ecc.mode.current": "Disabled", "ecc.mode.pending": "Disabled"}, WHOLE, ["ecc"]),
        ({**H100, "ecc.mode.current": "Disabled"}, WHOLE, ["restart"]),
        ({**H100, "ecc.mode.current": "[N/A]", "ecc.mode.pending": "[N/A]", "mig.mode.current": "[N/A]"}, WHOLE, []),
        (H100, {"ecc": True, "partitions": None}, []),
    ],
    ids=["as wanted", "split", "split anew", "whole again", "mode waits", "ecc off", "ecc waits", "neither", "managed"],
)  # fmt: skip
def test_only_what_is_not_as_wanted_is_done(gpu, wanted, todo):
    assert accelerators.steps(gpu, wanted) == todo


def test_large_instances_are_made_before_small_ones():
    assert accelerators.largest_first({"1g.10gb": 2, "4g.40gb": 1, "1g.20gb": 1}) == [
        *("4g.40gb", "1g.20gb", "1g.10gb", "1g.10gb")
    ]


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    """Run the role's program with a stand-in nvidia-smi, whose GPUs the test gives."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "nvidia-smi").write_text(
        f'#!/bin/sh\nexec {sys.executable} {REPOSITORY}/tests/support/stand_in_nvidia_smi.py "$@"\n'
    )
    (programs / "systemctl").write_text("#!/bin/sh\nexit 0\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    state, wanted = tmp_path / "gpus.json", tmp_path / "wanted.json"
    text = (ANSIBLE / "roles/gpu/files/accelerators.py").read_text(encoding="utf-8")
    script = tmp_path / "accelerators"
    script.write_text(text.replace("/etc/portolan/accelerators.json", str(wanted)), encoding="utf-8")

    def run(verb: str, want: Mapping[str, Any], gpus: list[dict[str, Any]] | None = None) -> Any:
        wanted.write_text(json.dumps(want), encoding="utf-8")
        if gpus is not None:
            state.write_text(json.dumps(gpus), encoding="utf-8")
        path = f"{programs}:{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, str(script), verb], check=False, capture_output=True, text=True,
            env={**os.environ, "PATH": path, "STAND_IN_GPUS": str(state)},
        )  # fmt: skip

    return run


def stand_in(index: int, **more: Any) -> dict[str, Any]:
    return {**H100, "index": index, "instances": [], "users": [], "at_once": True, "can_reset": True, **more}


def test_gpus_are_split_once_and_the_second_run_does_nothing(machine):
    mixed = {"ecc": True, "partitions": {"3g.40gb": 1, "1g.10gb": 4}}
    first = machine("apply", mixed, [stand_in(0), stand_in(1, at_once=False)])
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == ["GPU 0: mode", "GPU 0: split", "GPU 1: mode", "GPU 1: split"]
    assert machine("apply", mixed).stdout == ""
    assert json.loads(machine("check", mixed).stdout)["todo"] == {}


def test_split_gpus_become_whole_again(machine):
    machine("apply", SEVEN, [stand_in(0)])
    assert machine("apply", WHOLE).stdout.splitlines() == ["GPU 0: mode"]
    assert json.loads(machine("check", WHOLE).stdout)["todo"] == {}


def test_a_gpu_that_cannot_be_reset_waits_for_the_next_start_and_says_so(machine):
    done = machine("apply", SEVEN, [stand_in(0, at_once=False, can_reset=False)])
    assert done.returncode == 0, done.stderr
    assert "restart this host" in done.stdout
    assert machine("apply", SEVEN).stdout.splitlines() == ["restart this host: a mode of its GPUs takes effect then"]


def test_a_gpu_in_use_is_left_alone_with_the_remedy(machine):
    done = machine("apply", SEVEN, [stand_in(0, users=[4711, 4712])])
    assert done.returncode != 0
    assert "GPU 0 is used by 2 processes; drain the node" in done.stderr
    assert json.loads(machine("check", SEVEN).stdout)["gpus"][0]["mig.mode.current"] == "Disabled"


def test_error_correction_that_is_off_is_turned_on_and_waits(machine):
    done = machine("apply", WHOLE, [stand_in(0, **{"ecc.mode.current": "Disabled", "ecc.mode.pending": "Disabled"})])
    assert done.stdout.splitlines() == ["GPU 0: ecc", "restart this host: a mode of its GPUs takes effect then"]


def test_only_nvidias_gpus_are_found_on_the_bus(tmp_path: Path):
    for address, vendor, kind in (
        ("0000:17:00.0", "0x10de", "0x030200"),
        ("0000:18:00.0", "0x10de", "0x0c0330"),  # a bridge of the same maker
        ("0000:03:00.0", "0x102b", "0x030000"),  # the board's own display
    ):
        (tmp_path / address).mkdir()
        (tmp_path / address / "vendor").write_text(f"{vendor}\n")
        (tmp_path / address / "class").write_text(f"{kind}\n")
    assert probe.accelerators(tmp_path) == ["0000:17:00.0"]
    assert probe.accelerators(tmp_path / "none") == []


@pytest.mark.parametrize("present", [True, False])
def test_containerd_has_the_runtime_class_only_where_there_are_devices(present: bool):
    template = (ANSIBLE / "roles/containerd/templates/config.toml.j2").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    environment.filters["bool"] = bool
    text = environment.from_string(template).render(
        containerd_pause_image="registry.k8s.io/pause:3", containerd_restrict_score=False, containerd_nvidia=present,
        containerd_cni_directory="/opt/cni/bin", containerd_cgroup_driver="systemd",
    )  # fmt: skip
    runtimes = tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"]
    assert set(runtimes) == ({"runc", "nvidia"} if present else {"runc"})
    if present:
        assert runtimes["nvidia"]["options"]["BinaryName"] == "/usr/bin/nvidia-container-runtime"
    else:
        assert text.endswith("SystemdCgroup = true\n")


HOST = {
    "accelerators": ["0000:17:00.0", "0000:18:00.0"], "container": False, "packages": [], "services": [],
    "kernel": "6.1.0-30-amd64", "release": "bookworm", "kubelet_configured": True,
}  # fmt: skip
VARIABLES = {
    "accelerator_repositories": [], "accelerator_packages": "", "accelerator_driver_branch": "580",
    "accelerator_kernel_modules": "open", "accelerator_partitioning": "host", "accelerator_peer_memory": False,
    "accelerator_fabric_manager": False, "portolan_debian_digest": "",
    "node_accelerators": {"model": "h100", "count": 2, "partitions": {}},
}  # fmt: skip


def run_role(folder: Path, **more: Any) -> tuple[int, dict[str, Any]]:
    """Run the role in check mode on a host of pool gpu."""
    return check_role("gpu", folder, "gpu-1", {**VARIABLES, "preflight_host": HOST, **more})


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ({**HOST, "accelerators": []}, "no NVIDIA device is on its bus"),
        ({**HOST, "container": True}, "it is a container"),
    ],
    ids=["nothing on the bus", "container"],
)
def test_a_host_without_a_device_is_left_out_and_the_run_says_so(tmp_path: Path, host, reason):
    code, results = run_role(tmp_path, preflight_host=host)
    assert code == 0
    said = results.pop("Say that there is nothing to do without a device")
    assert reason in said["msg"]
    assert not any(result.get("changed") for result in results.values())
    assert not any("managed_files" in result or "written" in result for result in results.values())


def test_check_mode_says_what_would_be_written_on_a_host_with_devices(tmp_path: Path):
    (tmp_path / "gpu.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    repository = {"address": "https://mirror.example/gpu", "suite": "/", "components": [], "key": f"{tmp_path}/gpu.asc"}
    code, results = run_role(tmp_path, accelerator_repositories=[repository])
    assert code == 0
    sources = results["Name the site's repositories, and the keys that sign them"]
    assert sources["written"] == [
        "/etc/portolan/keys/accelerators-1.asc",
        "/etc/apt/sources.list.d/portolan-accelerators.list",
    ]
    written = results["Write which modules the kernel loads, and how GPUs are run"]["written"]
    assert "/etc/modprobe.d/portolan-gpu.conf" in written
    assert all(one["skipped"] for one in results["Install the driver and the container toolkit"]["results"])
    assert not Path("/etc/modprobe.d/portolan-gpu.conf").exists()


def test_another_number_of_devices_than_the_site_file_says_is_refused(tmp_path: Path):
    code, results = run_role(tmp_path, node_accelerators={"model": "h100", "count": 8, "partitions": {}})
    assert code != 0
    said = results["Refuse a host with another number of GPUs than the site file says"]["msg"]
    assert "gives gpu-1 8 GPUs, and 2 are on its bus" in said


def test_a_directory_without_an_index_is_refused_with_the_remedy(tmp_path: Path):
    code, results = run_role(tmp_path, accelerator_packages=str(tmp_path))
    assert code != 0
    assert "dpkg-scanpackages" in results["Refuse a directory without an index"]["msg"]
