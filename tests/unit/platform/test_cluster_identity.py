"""A state that was written for a cluster that is no more is not believed."""

from __future__ import annotations

import stat

import pytest

from portolan.platform.cluster_identity import Standing, judge, live_identity, record, recorded_identity

FULL = {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}, {"type": "kubernetes:core/v1:Namespace"}]}}
EMPTY = {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}, {"type": "pulumi:providers:kubernetes"}]}}


@pytest.mark.parametrize(
    ("recorded", "live", "deployment", "standing"),
    [
        ("one", "one", FULL, Standing.SAME),
        ("one", "two", FULL, Standing.OTHER),
        (None, "one", FULL, Standing.OTHER),
        (None, "one", EMPTY, Standing.NEW),
        ("one", "two", EMPTY, Standing.NEW),
        (None, "one", {}, Standing.NEW),
        ("one", None, FULL, Standing.SILENT),
    ],
)
def test_a_state_is_worth_what_its_cluster_is(recorded, live, deployment, standing):
    assert judge(recorded, live, deployment) is standing


def test_the_identity_is_kept_beside_the_state_and_private(tmp_path):
    file = tmp_path / "cluster"
    assert recorded_identity(file) is None
    record(file, "3f1c")
    assert recorded_identity(file) == "3f1c"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("""echo '{"metadata": {"uid": "3f1c"}}'""", "3f1c"),
        ("echo refused >&2; exit 1", None),
        ("echo 'not json'", None),
        ("echo '{}'", None),
    ],
)
def test_a_cluster_that_does_not_answer_has_no_identity(tmp_path, script, found):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\n{script}\n")
    kubectl.chmod(0o755)
    assert live_identity(kubectl, {}) == found


def test_the_cluster_is_asked_and_nothing_else(tmp_path):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit 1\n')
    kubectl.chmod(0o755)
    live_identity(kubectl, {})
    assert (tmp_path / "asked").read_text().startswith("get namespace kube-system")
