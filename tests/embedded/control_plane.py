"""A real API server for tests: etcd, kube-apiserver and kube-controller-manager on loopback, no nodes."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

import yaml

from portolan import paths

TOKEN = "tests-only-on-loopback"
START_SECONDS = 90


def binary(name: str) -> str:
    """Return a binary of the bundle, else the one on PATH (or in PORTOLAN_TEST_BINARIES)."""
    places = [str(paths.cache() / "bundle" / "bin"), os.environ.get("PORTOLAN_TEST_BINARIES", ""), os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(place for place in places if place))
    if not found:
        raise FileNotFoundError(f"{name} is neither in the bundle nor on PATH: run `portolan bundle build`")
    return found


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class ControlPlane:
    """The three processes, and a kubeconfig for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port = 0

    def start(self) -> None:
        """Start all three, and wait until the API server and its first controllers work."""
        client, peer, self.port, manager = free_ports(4)
        certificates, tokens = self.folder / "certificates", self.folder / "tokens.csv"
        tokens.write_text(f"{TOKEN},admin,admin,system:masters\n")
        key = self.folder / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        self._run(
            "etcd",
            f"--data-dir={self.folder}/etcd",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync=true",
        )
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{client}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={certificates}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            f"--service-account-issuer=https://127.0.0.1:{self.port}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.255.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            "--enable-priority-and-fairness=false",
        )
        self._wait_for_server(certificates / "apiserver.crt")
        self._write_kubeconfig(certificates / "apiserver.crt")
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--secure-port={manager}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder}/manager",
            f"--service-account-private-key-file={key}",
            "--leader-elect=false",
            "--use-service-account-credentials=false",
            "--concurrent-gc-syncs=10",
            "--controllers=*,-nodeipam,-nodelifecycle,-cloud-node-lifecycle,-attachdetach",
        )

    def stop(self) -> None:
        """End the processes that were started here; nothing of theirs is worth a graceful end."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _run(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes.append(subprocess.Popen([binary(name), *arguments], stdout=log, stderr=log))

    def _wait_for_server(self, certificate: Path) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            for process in self._processes:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args[0]} ended with code {process.returncode}; see {self.folder}")
            try:
                context = ssl.create_default_context(cafile=str(certificate))
                request = urllib.request.Request(
                    f"https://127.0.0.1:{self.port}/readyz", headers={"Authorization": f"Bearer {TOKEN}"}
                )
                with urllib.request.urlopen(request, context=context, timeout=2):
                    return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError(f"the API server was not ready after {START_SECONDS} s; see {self.folder}")

    def _write_kubeconfig(self, certificate: Path) -> None:
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "tests",
                    "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
                    "clusters": [
                        {
                            "name": "tests",
                            "cluster": {
                                "server": f"https://127.0.0.1:{self.port}",
                                "certificate-authority": str(certificate),
                            },
                        }
                    ],
                    "users": [{"name": "admin", "user": {"token": TOKEN}}],
                }
            )
        )
