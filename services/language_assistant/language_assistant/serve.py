"""Serve the assistant: `python -m language_assistant.serve --model-dir INDEX`.

The environment is told by `language_assistant.settings` and `model_server.serve`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from language_assistant import index, settings
from language_assistant.answers import Answerer
from language_assistant.application import Access, Application
from language_assistant.assistant import OUTCOMES, Assistant
from language_assistant.effects import Effects
from language_assistant.extractive import Extractive
from language_assistant.proposals import Proposals
from language_assistant.upstream import Upstream
from model_server import outgoing, tracing
from model_server import settings as shared
from model_server.authentication import Asked, Authenticator, Review, api_server
from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.sealed import read_sealed
from model_server.serve import open_audit, parser, serve_until_stopped
from model_server.storage import Folder
from model_server.telemetry import Telemetry
from text_encoder import open_encoder

NAME = "language-assistant"


def access_of(chosen: shared.Settings, name: str, review: Review | None = None) -> Access:
    """Return who may ask and who may confirm; everybody where no tokens are asked for."""
    access = chosen.access
    if access is None:
        return Access()
    reviewed = review or api_server(access.host, access.port)

    def permission(subresource: str) -> Authenticator:
        return Authenticator(reviewed, Asked(access.audience, access.namespace, name, subresource))

    return Access(permission("predict"), permission("confirm"))


def run(arguments: Sequence[str] | None = None, review: Review | None = None) -> int:
    """Serve until SIGTERM and return the exit status; 2 where the index is not whole or a setting is wrong.

    `review` stands for the cluster's, where there is none.
    """
    options = parser(NAME).parse_args(arguments)
    try:
        if options.grpc_port:
            raise ServiceError("--grpc-port", "the OpenAI protocol has no gRPC", "leave it out")
        chosen = shared.load()
        own = settings.load(chosen)
        searched = index.from_sealed(read_sealed(Folder(Path(options.model_dir))))
        encoder = open_encoder()
        outgoing.client("ASSISTANT_UPSTREAM_CA_FILE", "ASSISTANT_UPSTREAM_TOKEN_FILE")
        outgoing.client("ASSISTANT_EFFECTS_CA_FILE", "ASSISTANT_EFFECTS_TOKEN_FILE")
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    telemetry = Telemetry(OUTCOMES)

    def answerers() -> dict[str, Answerer]:
        extractive = Extractive(searched.lexical)
        if own.upstream is None:
            return {extractive.id: extractive}
        client = outgoing.client("ASSISTANT_UPSTREAM_CA_FILE", "ASSISTANT_UPSTREAM_TOKEN_FILE")
        upstream = Upstream(own.upstream, client)
        return {upstream.id: upstream, extractive.id: extractive}

    def application(*_: Any, **__: Any) -> Any:
        """Runs in each worker, which inherits the index and the encoder."""
        telemetry.join()
        audit = open_audit(chosen.audit)
        kept = Proposals(own.state, audit, own.open_seconds) if own.state and audit else None
        effects = None
        if own.effects_url is not None:
            client = outgoing.client("ASSISTANT_EFFECTS_CA_FILE", "ASSISTANT_EFFECTS_TOKEN_FILE")
            effects = Effects(own.effects_url, client)
        assistant = Assistant(searched, encoder, answerers(), kept)
        access = access_of(chosen, options.model_name, review)
        tracer = tracing.opened(options.model_name)
        return Application(options.model_name, assistant, telemetry, chosen.limits, access, effects, tracer)

    names = ", ".join(answerers())
    print(f"{names}, index {searched.digest} on {options.address}:{options.port}", file=sys.stderr, flush=True)
    serve_until_stopped(telemetry, chosen, "language_assistant.application:Application", options, application)
    return 0


if __name__ == "__main__":
    sys.exit(run())
