"""Who asks, and may they: bearer tokens reviewed by the Kubernetes API server.

A TokenReview tells whose a token is (a service account's, or an OIDC identity where the API server knows the issuer),
and a SubjectAccessReview whether that subject may `create` `inferenceservices/predict` of this model. Answers are kept
for a short while, so a burst of requests asks the API server once.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_server.errors import BadRequestError

KEPT_SECONDS = 60.0
KEPT_MOST = 4096
TOKEN_BYTES_MOST = 8192
POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Review = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]  # a path of the API server and an object, to its status


@dataclass(frozen=True)
class Asked:
    """What a caller must be allowed to do."""

    audience: str
    namespace: str
    name: str
    subresource: str = "predict"


class UnauthorisedError(BadRequestError):
    """No token, or none that is good (401)."""

    def __init__(self, what: str) -> None:
        remedy = "send 'Authorization: Bearer TOKEN' of a service account that may call this model"
        super().__init__("authorization", what, remedy, status=401)


class Authenticator:
    """Reviews tokens, and remembers what came out."""

    def __init__(self, review: Review, asked: Asked, now: Callable[[], float] = time.monotonic) -> None:
        self._review = review
        self._asked = asked
        self._now = now
        self._known: dict[bytes, tuple[float, str, str]] = {}  # digest of a token: until when, who, why not

    def known(self, header: str | None) -> str | None:
        """Return who sends the header, where that was reviewed a short while ago; None where it must be reviewed.

        Raises BadRequestError where it was refused.
        """
        found = self._known.get(self._digest(header))
        if found is None or found[0] < self._now():
            return None
        return self._outcome(found)

    async def subject(self, header: str | None) -> str:
        """Return who sends the header. Raises BadRequestError: 401 unknown, 403 not allowed, 503 nobody could tell."""
        known = self.known(header)
        if known is not None:
            return known
        assert header is not None
        try:
            who, why_not = await asyncio.to_thread(self._ask, header[7:])
        except (OSError, http.client.HTTPException, ValueError) as error:
            what = f"the cluster does not say whose token this is ({type(error).__name__})"
            raise BadRequestError("authorization", what, "try again", status=503) from None
        if len(self._known) >= KEPT_MOST:
            self._known.clear()
        found = (self._now() + KEPT_SECONDS, who, why_not)
        self._known[self._digest(header)] = found
        return self._outcome(found)

    def _outcome(self, found: tuple[float, str, str]) -> str:
        _, who, why_not = found
        if not who:
            raise UnauthorisedError(f"the token is not good ({why_not})")
        if why_not:
            what = f"{who} may not create inferenceservices/{self._asked.subresource} of {self._asked.name}"
            raise BadRequestError("authorization", what, "bind the role of its callers to it", status=403)
        return who

    def _digest(self, header: str | None) -> bytes:
        if header is None or not header.startswith("Bearer ") or len(header) > TOKEN_BYTES_MOST:
            raise UnauthorisedError("no bearer token")
        return hashlib.sha256(header.encode()).digest()

    def _ask(self, token: str) -> tuple[str, str]:
        asked = self._asked
        status = self._review(
            "/apis/authentication.k8s.io/v1/tokenreviews",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "spec": {"token": token, "audiences": [asked.audience]},
            },
        )
        if not status.get("authenticated") or asked.audience not in status.get("audiences", []):
            return "", str(status.get("error") or f"it is not made out for {asked.audience}")
        user = status["user"]
        status = self._review(
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {
                    "user": user["username"],
                    "groups": user.get("groups", []),
                    "resourceAttributes": {
                        "group": "serving.kserve.io",
                        "resource": "inferenceservices",
                        "subresource": asked.subresource,
                        "verb": "create",
                        "namespace": asked.namespace,
                        "name": asked.name,
                    },
                },
            },
        )
        return str(user["username"]), "" if status.get("allowed") else "not allowed"


def api_server(host: str, port: int, folder: Path = POD) -> Review:
    """Return a review by the API server, with the pod's own token (read each time: it is renewed)."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))

    def review(path: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        connection = http.client.HTTPSConnection(host, port, timeout=5, context=context)
        try:
            token = (folder / "token").read_text(encoding="ascii").strip()
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            connection.request("POST", path, json.dumps(document), headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status not in (200, 201):
                raise OSError(f"{path}: HTTP {answer.status}")
            status: Mapping[str, Any] = json.loads(text).get("status", {})
            return status
        finally:
            connection.close()

    return review
