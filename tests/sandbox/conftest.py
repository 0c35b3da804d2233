"""Small sandboxes of their own: names and ranges of no example site, and a state that is thrown away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from portolan import paths
from portolan.sandbox import lifecycle, names, places, roots, secure_shell

NAMES = ("spec-one", "spec-two", "spec-killed", "spec-thief")
COMMAND = [sys.executable, "-c", "from portolan.cli import run; run()"]
UP_SECONDS = 120


@dataclass(frozen=True)
class Trial:
    """A site file of the tests, and the commands that a user gives for it."""

    name: str
    file: Path
    state_home: Path

    @property
    def state(self) -> Path:
        return self.state_home / "sites" / self.name

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "PORTOLAN_STATE": str(self.state_home), **more}

    def write(self, network: str, workers: int) -> None:
        """Write the site file: one control-plane host and so many workers, the last with simulated accelerators."""
        document = YAML(typ="safe").load((paths.REPOSITORY / "sites/sandbox.yaml").read_text(encoding="utf-8"))
        nodes = [{"name": "control-1", "role": "control-plane"}]
        nodes += [{"name": f"worker-{number}", "role": "worker"} for number in range(1, workers + 1)]
        if workers:
            nodes[-1] |= {"pool": "gpu", "simulated_accelerators": {"nvidia.com/gpu": 4}}
        document |= {"name": self.name, "hosts": {"provider": "sandbox", "nodes": nodes}}
        document["network"]["hosts"] = network
        with self.file.open("w", encoding="utf-8") as stream:
            YAML().dump(document, stream)

    def run(self, verb: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        """Run `portolan sandbox VERB SITE-FILE ...`; never raises for its exit code."""
        return subprocess.run(
            [*COMMAND, "sandbox", verb, str(self.file), *arguments],
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
            check=False,
            env=environment or self.environment(),
        )

    def up(self) -> str:
        """Bring the sandbox up, which must succeed; return what it said."""
        done = self.run("up")
        assert done.returncode == 0, done.stderr
        return done.stderr

    def down(self) -> str:
        """Take the sandbox down, which must succeed; return what it said."""
        done = self.run("down")
        assert done.returncode == 0, done.stderr
        return done.stderr

    def on(self, host: str, command: str) -> str:
        """Run a shell line on a host and return what it printed; by the key and the host keys of the state."""
        document = json.loads((self.state / "hosts.json").read_text(encoding="utf-8"))
        (entry,) = (one for one in document["hosts"] if one["name"] == host)
        login = secure_shell.command(places.SitePlaces(self.name, self.state), entry, [command])
        done = subprocess.run(login, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def supervisors(self) -> dict[str, int]:
        """Return the process id of each host's systemd-nspawn, by host, from the machine's process list."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                if (directory / "comm").read_text().strip() != "systemd-nspawn":
                    continue
                words = (directory / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            prefix = f"--directory={self.state}/hosts/"
            for word in words:
                if word.startswith(prefix):
                    found[word.removeprefix(prefix).split("/")[0]] = int(directory.name)
        return found

    def traces(self) -> list[str]:
        """Return every trace of the sandbox on the machine, looked for without any code of the sandbox's own removal.

        Mounts are looked for in the mount namespace of every process, processes by their command line and groups.
        """
        identity, marks = names.identity(self.name), (f"/sites/{self.name}/hosts", f"portolan-{self.name}.")
        found = [str(path) for path in Path("/sys/fs/cgroup").rglob(f"portolan-{self.name}.*") if path.is_dir()]
        found += [path.name for path in Path("/sys/class/net").iterdir() if identity in path.name]
        rules = subprocess.run(["iptables", "-w", "-S"], capture_output=True, text=True, check=True).stdout
        found += [line for line in rules.splitlines() if identity in line]
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                if (directory / "stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                    continue  # has ended; its parent has yet to take notice
            except OSError:
                continue
            for file in ("mountinfo", "cmdline", "cgroup"):
                try:
                    text = (directory / file).read_bytes().decode(errors="replace").replace("\0", " ")
                except OSError:
                    continue
                found += [f"{directory / file}: {line}" for line in text.splitlines() if any(m in line for m in marks)]
        found += [str(path) for path in Path("/run/portolan").glob(f"{self.name}.*")]
        found += [str(path) for path in Path("/run/systemd/nspawn/propagate").glob(f"{identity}*")]
        return found


@pytest.fixture(scope="session")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def trial(state_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Make site files by name; whatever stands of them, also of a run that was killed, is removed before and after."""
    if os.geteuid() != 0:
        pytest.fail("hosts can only be made by root; run the tests as root")
    if not (paths.cache() / "bundle" / "roots" / "host.tar").is_file():
        subprocess.run([*COMMAND, "bundle", "build"], check=True)
    roots.ensure()
    folder = tmp_path_factory.mktemp("sites")

    def make(name: str, network: str, workers: int = 0) -> Trial:
        assert name in NAMES
        made = Trial(name, folder / f"{name}.yaml", state_home)
        made.write(network, workers)
        return made

    for name in NAMES:
        lifecycle.down(name, any_state=True)
    yield make
    for name in NAMES:
        lifecycle.down(name, any_state=True)
