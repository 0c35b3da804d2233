"""Which cluster a stack's state speaks of: hosts taken down and made again are another cluster behind the same name."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from portolan.files import write_atomically

ASK_SECONDS = 30.0


class Standing(StrEnum):
    """What the state is worth on the cluster that answers now."""

    SAME = "same"  # the state was written for this cluster
    NEW = "new"  # there is nothing in the state yet
    OTHER = "other"  # it was written for another one, or nobody knows for which
    SILENT = "silent"  # no cluster answers: Pulumi's own error tells more than ours could


def judge(recorded: str | None, live: str | None, deployment: Mapping[str, Any]) -> Standing:
    """Return what a state is worth, from the identity noted with it and that of the cluster that answers.

    >>> judge("a", "b", {"deployment": {"resources": [{"type": "kubernetes:core/v1:Namespace"}]}})
    <Standing.OTHER: 'other'>
    """
    if live is None:
        return Standing.SILENT
    if live == recorded:
        return Standing.SAME
    resources = (deployment.get("deployment") or {}).get("resources") or []
    # Providers and components are nothing in a cluster.
    objects = [one for one in resources if str(one.get("type", "")).startswith("kubernetes:")]
    return Standing.OTHER if objects else Standing.NEW


def live_identity(kubectl: Path, environment: Mapping[str, str]) -> str | None:
    """Return the identity of the cluster that answers, None where none does.

    A cluster is known by the UID of its namespace kube-system, which nobody can delete: the convention of
    OpenTelemetry's `k8s.cluster.uid`.
    """
    command = [str(kubectl), "get", "namespace", "kube-system", "--output", "json", f"--request-timeout={ASK_SECONDS}s"]
    try:
        done = subprocess.run(
            command, env=dict(environment), capture_output=True, text=True, timeout=2 * ASK_SECONDS, check=False
        )
        return str(json.loads(done.stdout)["metadata"]["uid"]) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None


def recorded_identity(file: Path) -> str | None:
    """Return the identity of the cluster that the state was last written for."""
    return file.read_text(encoding="ascii").strip() if file.is_file() else None


def record(file: Path, identity: str) -> None:
    """Note for which cluster the state is written."""
    if recorded_identity(file) != identity:
        write_atomically(file, identity + "\n")
