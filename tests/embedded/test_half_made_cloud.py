"""The real engine and the real program of AWS against a stand-in for AWS: what a failure leaves is known to the state.

The stand-in (tests/support/stand_in_provider.py) makes nothing but entries in a file. These tests show what the engine
writes into the state and how a run goes on; they show nothing about AWS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from control_plane import binary

from portolan import paths

REPOSITORY = paths.REPOSITORY
RUN_SECONDS = 600
PROGRAM = """
import pulumi
from portolan.requirements import load_requirements
from portolan.sites.loader import load_site
from portolan.sizing.engine import size
from stacks.clusters.rented import arguments, rent
from pathlib import Path

plan = size(load_site(Path(REPOSITORY) / "sites" / "aws.yaml"), load_requirements())
rented = rent(arguments(plan, "v1.34.0"))
pulumi.export("endpoint", rented.endpoint)
"""
FILES, CLUSTER = "aws:efs/fileSystem:FileSystem", "aws:eks/cluster:Cluster"


class Stack:
    """One stack of the program, and the world in which its resources would be."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.world_file = folder, folder / "world.json"
        plugins, home = folder / "plugins", folder / "home"
        plugins.mkdir()
        script = plugins / "pulumi-resource-aws"
        support = REPOSITORY / "tests" / "support" / "stand_in_provider.py"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {support} "$0" "$@"\n')
        script.chmod(0o755)
        (folder / "Pulumi.yaml").write_text("name: portolan\nruntime: python\n")
        head = f"import sys\nREPOSITORY = {str(REPOSITORY)!r}\nsys.path.insert(0, REPOSITORY)\n"
        (folder / "__main__.py").write_text(head + PROGRAM)
        (folder / "backend").mkdir()
        embedded = REPOSITORY / "portolan" / "embedded" / "bin"
        path = [str(plugins), str(embedded), str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join(path),
            "PULUMI_HOME": str(home),
            "PULUMI_BACKEND_URL": f"file://{folder / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "tests only",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "STAND_IN_WORLD": str(self.world_file),
        }
        assert self.run("stack", "init", "aws")[0] == 0

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [binary("pulumi"), *arguments, "--non-interactive"],
            cwd=self.folder,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        process = self.start(*arguments, **more)
        said, _ = process.communicate(timeout=RUN_SECONDS)
        return process.returncode, said

    def up(self, **more: str) -> tuple[int, str]:
        return self.run("up", "--yes", "--skip-preview", "--stack", "aws", "--parallel", "16", **more)

    def state(self) -> dict:
        code, said = self.run("stack", "export", "--stack", "aws", "--file", str(self.folder / "export.json"))
        assert code == 0, said
        return json.loads((self.folder / "export.json").read_text())

    def known(self) -> set[str]:
        resources = self.state()["deployment"].get("resources") or []
        return {one["urn"] for one in resources if one["type"].startswith("aws:")}

    def world(self) -> dict[str, list]:
        return json.loads(self.world_file.read_text()) if self.world_file.is_file() else {}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    return Stack(tmp_path_factory.mktemp("aws"))


def test_a_failure_leaves_nothing_that_the_state_does_not_know(stack):
    code, said = stack.up(STAND_IN_REFUSES=FILES)
    assert code != 0
    assert "AccessDenied" in said
    assert set(stack.world()) == stack.known()
    assert len(stack.known()) > 20
    assert not [urn for urn in stack.known() if FILES in urn]


def test_what_was_made_but_not_finished_is_kept_and_gone_on_with(stack):
    code, said = stack.up(STAND_IN_BREAKS=CLUSTER)
    assert code != 0
    assert "did not finish" in said
    assert set(stack.world()) == stack.known()
    assert [urn for urn in stack.known() if CLUSTER in urn]


def test_the_next_run_makes_the_rest_and_nothing_twice(stack):
    code, said = stack.up()
    assert code == 0, said[-3000:]
    assert set(stack.world()) == stack.known()
    assert all(len(made) == 1 for made in stack.world().values())
    assert len([urn for urn in stack.known() if "nodeGroup" in urn]) == 3


def test_what_holds_data_is_not_destroyed_by_one_command(stack):
    before = set(stack.world())
    code, said = stack.run("destroy", "--yes", "--skip-preview", "--stack", "aws")
    assert code != 0
    assert "protect" in said
    kept = [urn for urn in stack.world() if any(kind in urn for kind in ("s3/bucket:", CLUSTER, FILES, "kms/key:"))]
    assert len(kept) == len(
        [urn for urn in before if any(k in urn for k in ("s3/bucket:", CLUSTER, FILES, "kms/key:"))]
    )


def test_when_a_person_lifts_the_protection_nothing_stays_behind(stack):
    assert stack.run("state", "unprotect", "--all", "--yes", "--stack", "aws")[0] == 0
    code, said = stack.run("destroy", "--yes", "--skip-preview", "--stack", "aws")
    assert code == 0, said[-3000:]
    assert stack.world() == {}
    assert stack.known() == set()
