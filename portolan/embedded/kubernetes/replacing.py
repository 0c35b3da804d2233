"""Which fields cannot change while an object lives: a change of one replaces the object.

The table is that of the official provider (pulumi-kubernetes 4, `provider/pkg/provider/diff.go`), which in turn follows
the API server's validation. `*` stands for every element of a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portolan.embedded.kubernetes import identity

Path = tuple[str | int, ...]

_CONTAINER = [
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
]
_POD = [
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
]
_VOLUME_SOURCES = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
]

IMMUTABLE: dict[tuple[str, str], tuple[Path, ...]] = {
    ("apps", "Deployment"): (("spec", "selector"),),
    ("apps", "DaemonSet"): (("spec", "selector"),),
    ("apps", "StatefulSet"): tuple(
        ("spec", field)
        for field in ("podManagementPolicy", "revisionHistoryLimit", "selector", "serviceName", "volumeClaimTemplates")
    ),
    ("batch", "Job"): tuple(("spec", field) for field in ("completions", "parallelism", "selector", "template")),
    ("policy", "PodDisruptionBudget"): (),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
    ("storage.k8s.io", "StorageClass"): (("parameters",), ("provisioner",)),
    ("", "PersistentVolume"): tuple(("spec", field) for field in _VOLUME_SOURCES),
    ("", "PersistentVolumeClaim"): tuple(
        ("spec", field) for field in ("accessModes", "selector", "storageClassName", "volumeName")
    ),
    ("", "Pod"): (
        *(("spec", field) for field in _POD),
        *(("spec", group, "*", field) for group in ("containers", "initContainers") for field in _CONTAINER),
    ),
    ("", "ResourceQuota"): (("spec", "scopes"),),
    ("", "Secret"): (("type",),),
    ("", "Service"): (("spec", "clusterIP"),),
}
NAMES: tuple[Path, ...] = (("metadata", "name"), ("metadata", "namespace"))
SECRET_CONTENT: tuple[Path, ...] = (("type",), ("stringData",), ("data",))
CONFIG_MAP_CONTENT: tuple[Path, ...] = (("binaryData",), ("data",))


def immutable_paths(target: Mapping[str, Any], *, config_map_mutable: bool, secret_mutable: bool) -> tuple[Path, ...]:
    """Return the paths whose change replaces this object."""
    group = identity.api_version(target).rpartition("/")[0]
    kind = str(target.get("kind"))
    locked = target.get("immutable") is True
    if (group, kind) == ("", "Secret") and (locked or not secret_mutable):
        return (*NAMES, *SECRET_CONTENT)
    if (group, kind) == ("", "ConfigMap") and (locked or not config_map_mutable):
        return (*NAMES, *CONFIG_MAP_CONTENT)
    return (*NAMES, *IMMUTABLE.get((group, kind), ()))


def forces_replacement(path: Path, value: Any, immutable: Sequence[Path]) -> bool:
    """Tell whether a change at `path` to `value` touches an immutable path: the path itself, one under it or one above.

    >>> forces_replacement(("spec", "selector", "matchLabels", "app"), "x", [("spec", "selector")])
    True
    >>> forces_replacement(("spec",), {"replicas": 1}, [("spec", "selector")])
    False
    """
    return any(_touches(path, value, pattern) for pattern in immutable)


def _touches(path: Path, value: Any, pattern: Path) -> bool:
    for step, wanted in zip(path, pattern, strict=False):
        if step != wanted and not (wanted == "*" and isinstance(step, int)):
            return False
    return _contains(value, pattern[len(path) :])


def _contains(value: Any, pattern: Path) -> bool:
    if not pattern:
        return True
    if pattern[0] == "*":
        return isinstance(value, list) and any(_contains(item, pattern[1:]) for item in value)
    return isinstance(value, dict) and pattern[0] in value and _contains(value[pattern[0]], pattern[1:])
