"""What the environment says beside the settings that every server has (`model_server.settings`).

ASSISTANT_UPSTREAM_URL (with its /v1) and ASSISTANT_UPSTREAM_MODEL name a language model elsewhere;
ASSISTANT_UPSTREAM_TOOLS is `true` where it calls tools, ASSISTANT_UPSTREAM_SECONDS (60) how long an answer may take,
ASSISTANT_UPSTREAM_CA_FILE and ASSISTANT_UPSTREAM_TOKEN_FILE what it is reached with. ASSISTANT_STATE_DIR is the folder
of proposals, ASSISTANT_PROPOSAL_HOURS (24) how long one stays open. ASSISTANT_EFFECTS_URL is sent what officers
confirm, with ASSISTANT_EFFECTS_CA_FILE and ASSISTANT_EFFECTS_TOKEN_FILE.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from language_assistant.upstream import UpstreamSettings
from model_server.errors import ServiceError
from model_server.settings import Settings


@dataclass(frozen=True)
class AssistantSettings:
    """The environment, checked."""

    upstream: UpstreamSettings | None
    state: Path | None
    open_seconds: float
    effects_url: str | None


def load(shared: Settings, environment: Mapping[str, str] = os.environ) -> AssistantSettings:
    """Return the settings. Raises ServiceError that names the variable in fault."""
    state = environment.get("ASSISTANT_STATE_DIR")
    effects = _url("ASSISTANT_EFFECTS_URL", environment)
    if state and shared.audit is None:
        remedy = "set MODEL_SERVER_AUDIT_DIR and MODEL_SERVER_AUDIT_KEY_FILE"
        raise ServiceError("ASSISTANT_STATE_DIR", "proposals without a log of decisions", remedy)
    if state and not os.access(state, os.W_OK | os.X_OK):
        raise ServiceError("ASSISTANT_STATE_DIR", f"{state} cannot be written", "name a writable folder")
    if effects and not state:
        raise ServiceError("ASSISTANT_EFFECTS_URL", "there are no proposals", "set ASSISTANT_STATE_DIR")
    if effects and shared.access is None:
        remedy = "set MODEL_SERVER_AUDIENCE, so that it is known who confirms"
        raise ServiceError("ASSISTANT_EFFECTS_URL", "acts without knowing whose they are", remedy)
    return AssistantSettings(
        upstream=_upstream(environment),
        state=Path(state) if state else None,
        open_seconds=_seconds("ASSISTANT_PROPOSAL_HOURS", 24, 720, environment) * 3600,
        effects_url=effects,
    )


def _upstream(environment: Mapping[str, str]) -> UpstreamSettings | None:
    url = _url("ASSISTANT_UPSTREAM_URL", environment)
    if url is None:
        return None
    model = environment.get("ASSISTANT_UPSTREAM_MODEL", "").strip()
    if not model:
        raise ServiceError("ASSISTANT_UPSTREAM_MODEL", "missing", "name the model as the server there calls it")
    knows = environment.get("ASSISTANT_UPSTREAM_TOOLS", "false")
    if knows not in ("true", "false"):
        raise ServiceError("ASSISTANT_UPSTREAM_TOOLS", f"{knows!r} is neither true nor false", "correct or unset it")
    seconds = _seconds("ASSISTANT_UPSTREAM_SECONDS", 60, 3600, environment)
    return UpstreamSettings(url.rstrip("/"), model, knows == "true", seconds)


def _url(name: str, environment: Mapping[str, str]) -> str | None:
    text = environment.get(name)
    if not text:
        return None
    split = urlsplit(text)
    if split.scheme not in ("http", "https") or not split.netloc:
        raise ServiceError(name, f"{text!r} is no address", "give http://HOST[:PORT]/PATH")
    return text


def _seconds(name: str, default: float, most: float, environment: Mapping[str, str]) -> float:
    text = environment.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= most:
        raise ServiceError(name, f"{text!r} is no number up to {most:g}", "correct or unset it")
    return value
