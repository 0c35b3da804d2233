"""HTTP stacks with nothing behind them: read the body, answer fixed bytes; `python stacks.py STACK ADDRESS PORT`."""

from __future__ import annotations

import sys
from typing import Any

ANSWER = b'{"predictions":[{"score":0.1234567890123456,"lane":"green","reasons":[]}]}'


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


class Rsgi:
    """The same by Granian's own interface."""

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        await proto()
        proto.response_bytes(200, [("content-type", "application/json")], ANSWER)


def granian(application: Any, interface: str, address: str, port: int) -> None:
    """Serve an application by Granian, as the model server does."""
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.log import LogLevels
    from granian.server import MPServer

    server = MPServer(
        target="stacks:application",
        address=address,
        port=port,
        interface=Interfaces(interface),
        loop=Loops.asyncio,
        http=HTTPModes.auto,
        workers=1,
        websockets=False,
        log_level=LogLevels.warning,
    )
    server.serve(target_loader=lambda *_, **__: application)


if __name__ == "__main__":
    stack, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if stack == "uvicorn":
        import uvicorn

        uvicorn.run(asgi, host=address, port=port, loop="uvloop", http="httptools", lifespan="off", log_level="error")
    elif stack == "granian-asgi":
        granian(asgi, "asginl", address, port)
    else:
        granian(Rsgi(), "rsgi", address, port)
