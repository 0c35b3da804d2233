"""A site in small: hosts that print what a scene says, and one server that plays API server, endpoint and object store.

Checks run through it whole: the real Kubernetes client, the real HTTP client, the readers of the tools' outputs.
"""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kubernetes import client

from portolan.conformity import fabric, hosts, links
from portolan.conformity.probe import MISSING
from portolan.conformity.reach import Answer
from portolan.conformity.world import World
from portolan.sites.schema import HostRole, Pool
from portolan.sizing.plan import PlannedHost
from tests.unit.conformity.test_endpoints import DECLARATIONS
from tests.unit.conformity.test_verification import PLAN

OUTPUTS = Path(__file__).parent / "outputs"
ADDRESSES = {"one": "127.0.0.1", "two": "127.0.0.2"}
TWO_GPU_HOSTS = PLAN.model_copy(
    update={
        "hosts": tuple(
            PlannedHost(name=name, node_pool="gpu", role=role, pool=Pool.GPU, address=ADDRESSES[name])
            for name, role in (("one", HostRole.CONTROL_PLANE), ("two", HostRole.WORKER))
        )
    }
)
STARTED = {links.SERVE, fabric.SERVE}  # scripts that only start a server on the other host


@dataclass(frozen=True)
class Scene:
    """What the site shows while one check looks at it."""

    output: str | Mapping[str, str] = ""  # what every command prints, or by host
    answers: Mapping[str, Any] = field(default_factory=dict)  # "GET pods": body, (status, body) or a function of it
    objects: Mapping[str, bytes] = field(default_factory=dict)  # the object store, by "BUCKET/KEY"
    slow_seconds: float = 0.0  # of each call of the object store
    corrupt: bool = False  # the object store gives back other bytes
    remembered: Mapping[str, Any] = field(default_factory=dict)  # what was measured before, by the world's own keys
    patches: Mapping[tuple[Any, str], Any] = field(default_factory=dict)


def text(name: str, *swaps: tuple[str, str]) -> str:
    """Return an output (that of a file, or the text itself) with words changed; each change must find its words."""
    found = name if "\n" in name or name[:1] == "{" else (OUTPUTS / name).read_text(encoding="utf-8")
    for old, new in swaps:
        changed = re.sub(old, new, found)
        assert changed != found, f"{old} is not in {name[:60]}"
        found = changed
    return found


class SceneHost:
    """A host whose every command prints what the scene says; without tools none is found."""

    def __init__(self, name: str, scene: Scene, tools: bool) -> None:
        self.name, self.scene, self.tools = name, scene, tools
        self.address = SimpleNamespace(address=ADDRESSES[name])

    def shell(self, script: str, *arguments: str) -> Answer:
        if script == hosts.MACHINE:
            return Answer(status=0, output="none 1700000000", errors="")
        if not self.tools:
            return Answer(status=MISSING, output="", errors="sh: not found")
        if script in STARTED:
            return Answer(status=0, output="", errors="")
        if script.startswith('command -v "$1"'):
            return Answer(status=0, output="1.0\n", errors="")
        shown = self.scene.output if isinstance(self.scene.output, str) else self.scene.output[self.name]
        return Answer(status=0, output=shown, errors="")


class SceneStore:
    """An object store in memory, with the calls that checks make."""

    def __init__(self, scene: Scene, url: str) -> None:
        self.scene, self.kept = scene, dict(scene.objects)
        self.meta = SimpleNamespace(endpoint_url=url)

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        time.sleep(self.scene.slow_seconds)
        self.kept[f"{Bucket}/{Key}"] = Body

    def get_object(self, Bucket: str, Key: str, Range: str = "") -> dict[str, Any]:  # noqa: N803
        time.sleep(self.scene.slow_seconds)
        body = self.kept[f"{Bucket}/{Key}"]
        body = body[:-1] + b"!" if self.scene.corrupt else body
        stream = io.BytesIO(body)
        chunks = lambda size: iter(lambda: stream.read(size), b"")  # noqa: E731
        return {"Body": SimpleNamespace(read=stream.read, iter_chunks=chunks)}

    def delete_object(self, Bucket: str, Key: str) -> None:  # noqa: N803
        self.kept.pop(f"{Bucket}/{Key}", None)

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> None:  # noqa: N803
        for entry in Delete["Objects"]:
            self.kept.pop(f"{Bucket}/{entry['Key']}", None)


@contextmanager
def answering(answers: Mapping[str, Any]) -> Iterator[str]:
    """Yield the address of a server that answers by method and last part of the path; all else is 404."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536

        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            asked = json.loads(self.rfile.read(size) or b"null") if size else None
            path, _, query = self.path.partition("?")
            last = path.rstrip("/").rpartition("/")[2]
            key = f"WATCH {last}" if "watch=" in query else f"{self.command} {last}"
            if self.command == "DELETE":
                key = "DELETE"
            found = {"DELETE": {}, **answers}.get(
                key, (404, {"kind": "Status", "reason": "NotFound", "message": f"no answer to {key}"})
            )
            found = found(asked) if callable(found) else found
            status, body = found if isinstance(found, tuple) else (200, found)
            sent = (json.dumps(body) + "\n").encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def world_of(scene: Scene, url: str, tools: bool = True) -> World:
    """Return the world of a scene; without tools no program is on any host, and no service answers."""
    url = url if tools else "http://127.0.0.1:9"
    there: Any = {name: SceneHost(name, scene, tools) for name in ADDRESSES}
    world = World(plan=TWO_GPU_HOSTS, hosts=there, kubeconfig=Path("/nonexistent"), endpoint=url)
    configuration = client.Configuration(host=url)
    configuration.retries = False
    world.__dict__["api"] = client.ApiClient(configuration)
    world.remember("samples", lambda: DECLARATIONS)
    if tools:
        world.remember("object-store", lambda: SceneStore(scene, url))
        for key, value in scene.remembered.items():
            world.remember(key, lambda value=value: value)
    return world


def listed(*items: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list of the API server."""
    return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": list(items)}
