"""A real API server refuses what would take sensitive data off the site, and names the requirement."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
import yaml

from portolan import paths
from portolan.bundle.view import Bundle
from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sizing.engine import size

sys.path.insert(0, str(paths.REPOSITORY))
from control_plane import binary

from stacks.platform.residency import QUEUE_ACCOUNT, admission

SITE = paths.REPOSITORY / "tests" / "scenarios" / "hybrid" / "site.yaml"
ID = "HYB-9.5.4-02"
EFFECT_SECONDS = 60
CLOUD = {"portolan.dev/location-kind": "cloud"}
TOLERATION = {"key": "portolan.dev/location-kind", "operator": "Exists"}


class Refusals:
    """An API server with the policies, and kubectl."""

    def __init__(self, kubeconfig):
        self.kubectl = [binary("kubectl"), f"--kubeconfig={kubeconfig}"]

    def run(self, *arguments, document=None):
        text = None if document is None else json.dumps(document)
        return subprocess.run(
            [*self.kubectl, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False
        )

    def create(self, document, *more):
        return self.run("create", "--filename", "-", *more, document=document)

    def must(self, document):
        done = self.create(document)
        assert done.returncode == 0, done.stderr

    def refused(self, document, *words, more=("--dry-run=server",)):
        done = self.create(document, *more)
        assert done.returncode != 0, f"it was let in: {done.stdout}"
        for word in (ID, *words):
            assert word in done.stderr

    def accepted(self, document):
        done = self.create(document, "--dry-run=server")
        assert done.returncode == 0, done.stderr


def namespace(name, data_class=None):
    labels = {"portolan.dev/data-class": data_class} if data_class else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(where="secret", name="scores", **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": where},
        "spec": {"containers": [{"name": "x", "image": "x"}], **spec},
    }


def claim(storage_class, where="secret"):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    metadata = {"name": "data", "namespace": where}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def burst(data_class="anonymised", seconds=600, suspend=True):
    labels = {"portolan.dev/data-class": data_class} if data_class else {}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "train", "namespace": "trial", "labels": labels},
        "spec": {"entrypoint": "true", "suspend": suspend, **({"activeDeadlineSeconds": seconds} if seconds else {})},
    }


@pytest.fixture(scope="module")
def api(control_plane):
    """Give the server with the policies in force: until the first refusal, they are not."""
    plan = size(load_site(SITE), load_requirements())
    found = Refusals(control_plane.kubeconfig)
    for file in sorted(Bundle.open(paths.cache()).manifests("kuberay").glob("crd*.yaml")):
        for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            if document and document["spec"]["names"]["kind"] == "RayJob":
                found.must(document)
    for document in (namespace("secret", "sensitive"), namespace("trial", "anonymised"), namespace("plain")):
        found.must(document)
    for document in admission(plan.placement, ["portolan-local"]):
        found.must(document)
    deadline = time.monotonic() + EFFECT_SECONDS
    probes = (pod(nodeSelector=CLOUD), claim("elsewhere"), burst(suspend=False))
    while any(found.create(probe, "--dry-run=server").returncode == 0 for probe in probes):
        assert time.monotonic() < deadline, "the policies are not in force"
        time.sleep(0.5)
    return found


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"nodeSelector": CLOUD}, "nodeSelector"),
        ({"nodeSelector": {"portolan.dev/location": "region"}}, "nodeSelector"),
        ({"nodeSelector": {"topology.kubernetes.io/zone": "region"}}, "nodeSelector"),
        ({"nodeSelector": {"kubernetes.io/hostname": "cloud-1"}}, "nodeSelector"),
        ({"tolerations": [TOLERATION]}, "a toleration"),
        ({"tolerations": [{"operator": "Exists"}]}, "a toleration"),
        ({"nodeName": "cloud-2"}, "nodeName cloud-2"),
        (
            {
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {
                                    "matchExpressions": [
                                        {"key": "portolan.dev/location", "operator": "In", "values": ["region"]}
                                    ]
                                }
                            ]
                        }
                    }
                }
            },
            "nodeAffinity",
        ),
    ],
    ids=["kind", "location", "zone", "host", "toleration", "tolerates-all", "node-name", "affinity"],
)
def test_a_sensitive_pod_that_asks_for_the_cloud_is_refused(api, spec, word):
    api.refused(pod(**spec), "namespace secret", word)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"nodeSelector": {"portolan.dev/location-kind": "on-site"}},
        {"nodeSelector": {"kubernetes.io/hostname": "worker-1"}},
        {"nodeName": "worker-1"},
        {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]},
    ],
)
def test_a_sensitive_pod_that_stays_is_let_in(api, spec):
    api.accepted(pod(**spec))


def test_other_namespaces_may_use_the_cloud(api):
    for where in ("trial", "plain"):
        api.accepted(pod(where, nodeSelector=CLOUD, tolerations=[TOLERATION]))


def test_whoever_schedules_cannot_bind_a_sensitive_pod_to_a_host_in_the_cloud(api):
    api.must(pod(name="bound"))
    target = {"apiVersion": "v1", "kind": "Node", "name": "cloud-1"}
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "bound", "namespace": "secret"},
        "target": target,
    }
    path = "/api/v1/namespaces/secret/pods/bound/binding"
    done = api.run("create", "--raw", path, "--filename", "-", document=binding)
    assert done.returncode != 0
    assert ID in done.stderr
    assert "cannot be bound to cloud-1" in done.stderr
    on_site = {**binding, "target": {**target, "name": "worker-1"}}
    assert api.run("create", "--raw", path, "--filename", "-", document=on_site).returncode == 0


def test_a_sensitive_volume_lies_on_site(api):
    api.refused(claim("portolan-local-cloud"), "portolan-local-cloud", "storage class on site (portolan-local)")
    api.refused(claim(None), "the default one")
    api.accepted(claim("portolan-local"))
    api.accepted(claim("portolan-local-cloud", "trial"))


def test_a_namespace_that_holds_sensitive_data_keeps_its_class(api):
    for change in ("portolan.dev/data-class=public", "portolan.dev/data-class-"):
        done = api.run("label", "namespace", "secret", change, "--overwrite")
        assert done.returncode != 0
        assert ID in done.stderr
    assert api.run("label", "namespace", "plain", "portolan.dev/data-class=sensitive").returncode == 0


def test_a_burst_waits_for_the_queue_and_says_what_it_learns_from(api):
    api.accepted(burst())
    api.accepted(burst("public"))
    api.refused(burst("sensitive"), "anonymised or public")
    api.refused(burst(None), "anonymised or public")
    api.refused(burst(seconds=None), "1800 s")
    api.refused(burst(seconds=1801), "1800 s")
    api.refused(burst(suspend=False), "spec.suspend")


def test_only_the_queue_starts_a_burst(api):
    api.must(burst())
    start = [
        "patch",
        "rayjob",
        "train",
        "--namespace",
        "trial",
        "--type=merge",
        "--patch",
        '{"spec":{"suspend":false}}',
    ]
    done = api.run(*start)
    assert done.returncode != 0
    assert ID in done.stderr
    api.must(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "queue"},
            "subjects": [{"kind": "User", "name": QUEUE_ACCOUNT, "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"},
        }
    )
    started = api.run(*start, f"--as={QUEUE_ACCOUNT}")
    assert started.returncode == 0, started.stderr
    # What runs may be changed by its operator.
    assert api.run("annotate", "rayjob", "train", "--namespace", "trial", "seen=yes").returncode == 0
