"""The servers that are measured: how each is started, what it is asked, what it costs while it answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.serving.environments import interpreter
from portolan.errors import PortolanError

HERE = Path(__file__).resolve().parent
SERVICES = HERE.parents[1] / "services"
MODULES = os.pathsep.join(str(SERVICES / name) for name in ("model_server", "risk_scoring"))
START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """One way to serve the model; `{port}` in its command is filled in."""

    name: str
    command: Sequence[str]
    path: str
    bodies: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    process: int

    def cpu_seconds(self) -> float:
        """Return the processor time that it and its children have used."""
        ticks = 0
        for process in self._family():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mebibytes(self) -> float:
        """Return its proportional share of memory (PSS), children included."""
        total = 0
        for process in self._family():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        return total / 1024

    def _family(self) -> list[int]:
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        family = [self.process]
        for one in family:
            family += [child for child, parent in parents.items() if parent == one]
        return family


@contextlib.contextmanager
def running(server: Server, core: int | None, log: Path) -> Iterator[Running]:
    """A server on a free port of the loopback, on one core; it is stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.format(port=port) for part in server.command]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                **{k: v.format(port=port) for k, v in server.environment.items()},
            },
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}{server.path}"
    try:
        body = server.bodies.read_bytes().split(b"\n", 1)[0]
        deadline = time.monotonic() + START_SECONDS
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise PortolanError(server.name, "it does not answer", f"see {log}")
            with contextlib.suppress(httpx.TransportError):
                if httpx.post(url, content=body, headers={"content-type": "application/json"}).status_code == 200:
                    break
            time.sleep(0.2)
        yield Running(url, process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def servers(names: Sequence[str], model: Path, work: Path) -> list[Server]:
    """Return the servers called `names` of the model in `model`, with their requests written under `work`."""
    sys.path[:0] = MODULES.split(os.pathsep)
    from model_server.storage import Folder
    from risk_scoring.dataset import read_dataset
    from risk_scoring.features import Encoder

    rows = read_dataset(Folder(work / "declarations"), "valid.csv").rows[:500]
    encoder = Encoder.from_document(json.loads((model / "features.json").read_text())["encoder"])
    lines = [encoder.encode_row(row) for row in rows]

    def bodies(name: str, documents: Sequence[object]) -> Path:
        path = work / f"{name}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in documents))
        return path

    plain = bodies("plain", [{"instances": [row], "parameters": {"reasons": 0}} for row in rows])
    reasons = bodies("reasons", [{"instances": [row]} for row in rows])
    numbers = bodies("numbers", [{"instances": [line]} for line in lines])
    tensors = bodies(
        "tensors",
        [{"inputs": [{"name": "x", "shape": [1, len(x)], "datatype": "FP64", "data": x}]} for x in lines],
    )
    python, ours = sys.executable, {"PYTHONPATH": MODULES, "MODEL_SERVER_DRAIN_SECONDS": "0"}
    serve = [
        python,
        "-m",
        "risk_scoring.serve",
        "--model-dir",
        str(model),
        "--address",
        "127.0.0.1",
        "--port",
        "{port}",
    ]
    ceiling = [python, str(HERE / "ceiling.py"), str(model), "{port}"]
    predict = "/v1/models/risk-scoring:predict"
    made: list[Server] = []
    for name in names:
        if name == "portolan":
            made.append(Server("portolan", serve, predict, plain, ours))
            made.append(Server("portolan with reasons", serve, predict, reasons, ours))
        elif name == "ceiling":
            made.append(Server("ceiling", [*ceiling, "scores"], "/", plain, ours))
            made.append(Server("ceiling with reasons", [*ceiling, "reasons"], "/", plain, ours))
        elif name == "kserve":
            command = [
                str(interpreter(name)),
                str(HERE / "peer_kserve.py"),
                "risk-scoring",
                str(model / "model.txt"),
                "{port}",
            ]
            made.append(Server("kserve", command, predict, numbers))
        elif name == "mlserver":
            folder = work / "mlserver"
            folder.mkdir(exist_ok=True)
            settings = {
                "name": "risk-scoring",
                "implementation": "mlserver_lightgbm.LightGBMModel",
                "parameters": {"uri": str(model / "model.txt")},
            }
            (folder / "model-settings.json").write_text(json.dumps(settings))
            program = [str(interpreter(name).parent / "mlserver"), "start", str(folder)]
            ports = {"MLSERVER_HTTP_PORT": "{port}", "MLSERVER_GRPC_PORT": "0", "MLSERVER_METRICS_PORT": "0"}
            own = {"MLSERVER_HOST": "127.0.0.1", "MLSERVER_PARALLEL_WORKERS": "0", "MLSERVER_DEBUG": "false"}
            made.append(Server("mlserver", program, "/v2/models/risk-scoring/infer", tensors, {**ports, **own}))
        else:
            raise PortolanError("--server", f"no server {name!r}", "choose of portolan, ceiling, kserve, mlserver")
    return made
