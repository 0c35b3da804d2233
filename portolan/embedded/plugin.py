"""What both plugins share: a gRPC server on loopback, its port on the first line, and the engine's log."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

# Objects such as large CustomResourceDefinitions exceed gRPC's default of 4 MiB; the engine allows the same.
MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
]
# The engine asks for as many operations at once as `--parallel` says (by default four a core); each await
# holds a thread.
CALLS_AT_ONCE = 256
GRACE_SECONDS = 1.0
PARENT_CHECK_SECONDS = 2.0


def serve(register: Callable[[grpc.Server], None]) -> None:
    """Serve one plugin until the engine ends it; print the port the engine reads from standard output."""
    server = grpc.server(ThreadPoolExecutor(max_workers=CALLS_AT_ONCE), options=CHANNEL_OPTIONS)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    stopped = threading.Event()
    # The engine gives each plugin a process group of its own and ends it with SIGINT (then SIGKILL after 5 s).
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: stopped.set())
    # An engine that is killed says nothing: its plugins notice that they have another parent.
    engine = os.getppid()
    while not stopped.wait(PARENT_CHECK_SECONDS) and os.getppid() == engine:
        pass
    server.stop(GRACE_SECONDS).wait()
    sys.stdout.flush()
    # Watches may still hold threads; nothing of theirs needs saving.
    os._exit(0)


def engine_address() -> str:
    """Return the address of the engine: the last argument that is no option."""
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    return addresses[-1] if addresses else ""


class EngineLog:
    """Says things to the people at the engine's display, about one resource or about none."""

    def __init__(self, address: str) -> None:
        self._stub: Any = None
        if address:
            channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
            self._stub = engine_pb2_grpc.EngineStub(channel)

    def _say(self, severity: Any, urn: str, message: str, ephemeral: bool) -> None:
        if self._stub is None:
            print(message, file=sys.stderr, flush=True)
            return
        try:
            self._stub.Log(
                engine_pb2.LogRequest(severity=severity, urn=urn, message=message, ephemeral=ephemeral), timeout=5
            )
        except grpc.RpcError:
            # The engine is going away; what it no longer hears is lost, and nothing else suffers.
            print(message, file=sys.stderr, flush=True)

    def status(self, urn: str, message: str) -> None:
        """Show progress beside a resource while it is under way; an empty message clears it."""
        self._say(engine_pb2.INFO, urn, message, ephemeral=True)

    def info(self, urn: str, message: str) -> None:
        """Log a message that stays."""
        self._say(engine_pb2.INFO, urn, message, ephemeral=False)

    def warning(self, urn: str, message: str) -> None:
        """Log a warning that stays."""
        self._say(engine_pb2.WARNING, urn, message, ephemeral=False)

    def debug(self, urn: str, message: str) -> None:
        """Log a message that is shown with `pulumi --debug` alone."""
        self._say(engine_pb2.DEBUG, urn, message, ephemeral=False)
