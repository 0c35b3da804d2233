"""What the server tells of itself: the paths that are answered without a model being asked."""

from __future__ import annotations

import re
from typing import Any

from model_server import openapi
from model_server.drift import render as render_drift
from model_server.errors import BadRequestError
from model_server.protocol import model_metadata, server_metadata

V1_MODEL = re.compile(r"/v1/models/([^/:]+)")
V2_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?")


def metrics(application: Any) -> str:
    """Return all workers' counters as Prometheus text."""
    told: str = application.telemetry.render(application.name, application.versions.traffic.digests())
    return told + render_drift(application.name, application.versions.drift())


def document(application: Any, path: str) -> tuple[dict[str, Any], int]:
    """Return what a path tells, and its status. Raises BadRequestError where there is nothing of that name."""
    name, versions = application.name, application.versions
    ready = application.ready
    if path == "/":
        return {"status": "alive", "model": name, "model_digest": application.model.digest}, 200
    if path == "/openapi.json":
        guarded, logged = application.access is not None, application.audit is not None
        return openapi.document(application.model, name, application.limits.rows, guarded, logged), 200
    if path == "/v1/models":
        return {"models": [name]}, 200
    if path == f"/v1/models/{name}/versions":
        traffic = versions.traffic
        seen = {arm: versions.seen(arm) for arm in traffic.digests()}
        return {"policy": traffic.policy.document(), "arms": traffic.digests(), "seen": seen}, 200
    if path == f"/v1/models/{name}/comparison":
        return versions.differences(), 200
    if path == f"/v1/models/{name}/drift":
        return {"fields": versions.drift()}, 200
    if path == "/v2":
        return server_metadata(name), 200
    if path == "/v2/health/live":
        return {"live": True}, 200
    if path == "/v2/health/ready":
        return {"ready": ready}, 200 if ready else 503
    if (match := V1_MODEL.fullmatch(path)) is not None:
        application.known(match[1])
        return {"name": name, "ready": ready, "model_digest": application.model.digest}, 200 if ready else 503
    if (match := V2_MODEL.fullmatch(path)) is not None and match[3] != "/infer":
        application.known(match[1], match[2])
        if match[3] == "/ready":
            return {"name": name, "ready": ready}, 200 if ready else 503
        return model_metadata(application.model, name), 200
    raise BadRequestError(
        path, "no such path", f"see /openapi.json, /v1/models/{name} or /v2/models/{name}", status=404
    )
