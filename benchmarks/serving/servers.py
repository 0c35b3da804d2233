"""The servers that are measured: how each is started, wherever that is, and what it is asked."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from portolan.errors import PortolanError

HERE = Path(__file__).resolve().parent
SERVICES = HERE.parents[1] / "services"
MODULES = os.pathsep.join(str(SERVICES / name) for name in ("model_server", "risk_scoring"))
OURS = "portolan"  # the runtime of this kit: its own Python and packages
PEERS = ("kserve", "mlserver")
EVERY = (OURS, "ceiling", *PEERS, "stacks")
PROGRAMS = ("ceiling.py", "peer_kserve.py", "stacks.py")  # files of this folder that servers are


@dataclass(frozen=True)
class Server:
    """One way to serve the model.

    In its command and environment `{python}` is its runtime's interpreter, `{work}` the folder with the model,
    `{programs}` the folder with this benchmark's programs, `{address}` and `{port}` where it listens.
    """

    name: str
    runtime: str
    command: Sequence[str]
    path: str
    bodies: str  # the file under `{work}` with what it is asked
    environment: Mapping[str, str] = field(default_factory=dict)

    def filled(self, **places: Any) -> tuple[list[str], dict[str, str]]:
        """Return its command and environment for one place."""
        command = [part.format(**places) for part in self.command]
        return command, {name: value.format(**places) for name, value in self.environment.items()}


class Running(Protocol):
    """A server that answers."""

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used."""

    def memory_mebibytes(self) -> float:
        """Return its proportional share of memory (PSS), all its processes together."""

    def load(self, **options: float) -> Mapping[str, Any]:
        """Ask it by the load generator, with these options, and return what that measured."""


class Place(Protocol):
    """Where servers run."""

    @property
    def name(self) -> str:
        """Return how it is called in figures."""

    @property
    def together(self) -> bool:
        """Return whether all servers stand through all rounds; otherwise each is started for each round."""

    def running(self, server: Server) -> AbstractContextManager[Running]:
        """Start a server, and stop it at the end."""


def servers(names: Sequence[str]) -> list[Server]:
    """Return the servers called `names`. Raises PortolanError where there is none of a name."""
    predict = "/v1/models/risk-scoring:predict"
    listen = ["--address", "{address}", "--port", "{port}"]
    serve = ["{python}", "-m", "risk_scoring.serve", "--model-dir", "{work}/model", *listen]
    ceiling = ["{python}", "{programs}/ceiling.py", "{work}", "{address}", "{port}"]
    drain = {"MODEL_SERVER_DRAIN_SECONDS": "0"}
    mlserver = {
        "MLSERVER_HOST": "{address}",
        "MLSERVER_HTTP_PORT": "{port}",
        "MLSERVER_GRPC_PORT": "0",
        "MLSERVER_METRICS_PORT": "0",
        "MLSERVER_PARALLEL_WORKERS": "0",
        "MLSERVER_DEBUG": "false",
    }
    empty = ["{python}", "{programs}/stacks.py"]
    at = ["{address}", "{port}"]
    start = ["{python}", "-c", "from mlserver.cli import main; main()", "start", "{work}/mlserver"]
    stock = ["{python}", "{programs}/peer_kserve.py", "risk-scoring", "{work}/model/model.txt", "{port}"]
    every = {
        OURS: (
            Server("portolan", OURS, serve, predict, "plain.jsonl", drain),
            Server("portolan with reasons", OURS, serve, predict, "reasons.jsonl", drain),
        ),
        "ceiling": (
            Server("ceiling", OURS, [*ceiling, "scores"], predict, "plain.jsonl", drain),
            Server("ceiling with reasons", OURS, [*ceiling, "reasons"], predict, "reasons.jsonl", drain),
        ),
        "kserve": (Server("kserve", "kserve", stock, predict, "numbers.jsonl"),),
        "mlserver": (
            Server("mlserver", "mlserver", start, "/v2/models/risk-scoring/infer", "tensors.jsonl", mlserver),
        ),
        # uvicorn as it comes with KServe's server
        "stacks": (
            Server("granian, RSGI, empty", OURS, [*empty, "granian-rsgi", *at], "/", "plain.jsonl"),
            Server("granian, ASGI, empty", OURS, [*empty, "granian-asgi", *at], "/", "plain.jsonl"),
            Server("uvicorn, ASGI, empty", "kserve", [*empty, "uvicorn", *at], "/", "plain.jsonl"),
        ),
    }
    for name in names:
        if name not in every:
            raise PortolanError("--server", f"no server {name!r}", f"choose of {', '.join(every)}")
    return [one for name in names for one in every[name]]


def prepare(work: Path) -> None:
    """Write what the servers are asked, and MLServer's settings, beside the model and the declarations in `work`."""
    sys.path[:0] = MODULES.split(os.pathsep)
    from model_server.storage import Folder
    from risk_scoring.dataset import read_dataset
    from risk_scoring.features import Encoder

    rows = read_dataset(Folder(work / "declarations"), "valid.csv").rows[:500]
    encoder = Encoder.from_document(json.loads((work / "model" / "features.json").read_text())["encoder"])
    lines = [encoder.encode_row(row) for row in rows]

    def bodies(name: str, documents: Sequence[object]) -> None:
        (work / name).write_text("".join(json.dumps(one) + "\n" for one in documents))

    bodies("plain.jsonl", [{"instances": [row], "parameters": {"reasons": 0}} for row in rows])
    bodies("reasons.jsonl", [{"instances": [row]} for row in rows])
    bodies("numbers.jsonl", [{"instances": [line]} for line in lines])
    bodies(
        "tensors.jsonl",
        [{"inputs": [{"name": "x", "shape": [1, len(x)], "datatype": "FP64", "data": x}]} for x in lines],
    )
    (work / "mlserver").mkdir(exist_ok=True)
    settings = {
        "name": "risk-scoring",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": "../model/model.txt"},
    }
    (work / "mlserver" / "model-settings.json").write_text(json.dumps(settings))
