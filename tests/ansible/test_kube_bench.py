"""kube-bench and its checks reach a host from the controller or from its own bundle, and the host runs it by them.

The tasks run for real on this machine, over its /usr and /var/lib in a mount namespace that ends with them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.ansible.loading import ANSIBLE

REPORT = {"Controls": []}
# Says how it was called, as the report: the real one's is read in tests/unit/inventory/test_benchmarks.py.
PROGRAM = f"""#!/bin/sh
echo "$@" >> /var/lib/portolan/reports/called
echo '{json.dumps(REPORT)}'
"""
SHIFT = """
set -eu
for place in /usr /var/lib; do
  mkdir -p "$FOLDER$place/upper" "$FOLDER$place/work"
  mount -t overlay overlay -o "lowerdir=$place,upperdir=$FOLDER$place/upper,workdir=$FOLDER$place/work" "$place"
done
exec "$@"
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with a program in place of kube-bench's, and checks of one benchmark."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("needs root, and mount namespaces")
    checks = tmp_path / "bundle" / "folders" / "kube-bench-checks"
    (checks / "cis-1.10").mkdir(parents=True)
    (checks / "config.yaml").write_text("---\n")
    (checks / "cis-1.10" / "node.yaml").write_text("id: 4\n")
    (tmp_path / "bundle" / "bin").mkdir()
    (tmp_path / "bundle" / "bin" / "kube-bench").write_text(PROGRAM)
    return tmp_path / "bundle"


class Host:
    """This machine as a host; what is written to it lies in `folder`."""

    def __init__(self, folder: Path, bundle: Path, own_bundle: bool) -> None:
        self.folder = folder / "host"
        self.folder.mkdir()
        program = {"name": "kube-bench", "path": "bin/kube-bench"}
        program["sha256"] = hashlib.sha256(PROGRAM.encode()).hexdigest()
        variables = {
            "portolan_bundle": str(bundle),
            "hardening_bundle_path": str(bundle) if own_bundle else "",
            "hardening_programs": [program],
        }
        task = {"name": "Install", "ansible.builtin.include_role": {"name": "hardening", "tasks_from": "kube_bench"}}
        play = {"hosts": "here", "gather_facts": False, "vars": variables, "tasks": [task]}
        (folder / "play.yml").write_text(yaml.safe_dump([play]))
        self._play = folder / "play.yml"

    def run(self, *command: str) -> str:
        """Run a command over the machine's files, and return what it prints."""
        environment = os.environ | {
            "FOLDER": str(self.folder),
            "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
            "ANSIBLE_LIBRARY": str(ANSIBLE / "library"),
            "ANSIBLE_FILTER_PLUGINS": str(ANSIBLE / "filter_plugins"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(self.folder / "home"),
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", SHIFT, "sh", *command],
            env=environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def converge(self, *options: str) -> int:
        """Run the tasks, and return how many changed something."""
        program = str(Path(sys.executable).parent / "ansible-playbook")
        told = self.run(program, "-c", "local", "-i", "here,", *options, str(self._play))
        recap = re.search(r"changed=([0-9]+)", told)
        assert recap is not None, told
        return int(recap[1])


@pytest.mark.parametrize("own_bundle", [False, True], ids=["from-the-controller", "from-the-hosts-own-bundle"])
def test_they_are_installed_once_and_a_second_run_changes_nothing(tmp_path: Path, bundle: Path, own_bundle: bool):
    host = Host(tmp_path, bundle, own_bundle)
    assert host.converge("--check") > 0
    assert not (host.folder / "usr/upper/bin/kube-bench").exists()
    assert host.converge() > 0
    assert host.converge() == 0
    installed = host.folder / "usr" / "upper"
    assert (installed / "bin" / "kube-bench").stat().st_mode & 0o777 == 0o755
    checks = installed / "local" / "share" / "kube-bench" / "cfg"
    assert (checks / "cis-1.10" / "node.yaml").read_text() == "id: 4\n"
    for folder in (checks, checks / "cis-1.10"):
        assert folder.stat().st_mode & 0o777 == 0o755, folder
    assert (checks / "cis-1.10" / "node.yaml").stat().st_mode & 0o777 == 0o644


def test_changed_checks_are_laid_again(tmp_path: Path, bundle: Path):
    host = Host(tmp_path, bundle, own_bundle=False)
    host.converge()
    (bundle / "folders" / "kube-bench-checks" / "cis-1.10" / "node.yaml").write_text("id: 5\n")
    assert host.converge() == 1


def test_a_host_is_looked_at_by_the_benchmark_whose_numbers_the_reasons_have(tmp_path: Path, bundle: Path):
    host = Host(tmp_path, bundle, own_bundle=False)
    host.converge()
    host.run("sh", str(ANSIBLE / "roles" / "hardening" / "files" / "benchmark"))
    reports = host.folder / "var" / "lib" / "upper" / "portolan" / "reports"
    assert json.loads((reports / "kube-bench.json").read_text()) == REPORT
    assert not (reports / "kube-bench.json.part").exists()
    called = (reports / "called").read_text()
    assert "--config-dir /usr/local/share/kube-bench/cfg --benchmark cis-1.10 --targets node --json" in called
