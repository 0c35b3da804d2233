"""Sensitive data stay on site: admission policies that name the requirement, and egress that matches.

Namespaces say by the label `portolan.dev/data-class` what they hold. The policies are rules of the API server itself
(ValidatingAdmissionPolicy): they need no webhook that could be down, and bind whoever asks, people and operators.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from portolan.sites.locations import DataClass
from portolan.sizing.placement import (
    CLASS_LABEL,
    KIND_LABEL,
    LOCATION_LABEL,
    NAMESPACE_CLASSES,
    REQUIREMENT,
    ZONE_LABEL,
    PlacementPlan,
)
from stacks.platform.capability import Capability
from stacks.platform.objects import Document, create

SENSITIVE = DataClass.SENSITIVE.value
HOLDS = f"{REQUIREMENT}: sensitive data stay in the local data centre"
QUEUE_ACCOUNT = "system:serviceaccount:portolan-system:burst-queue"


@dataclass(frozen=True)
class ResidencyArgs:
    """Where things may be, and which storage classes lie on site."""

    placement: PlacementPlan
    storage_classes_on_site: Sequence[str]


class Residency(Capability):
    """The policies. Output `policies`: their names."""

    policies: pulumi.Output[list[str]]

    def __init__(self, name: str, args: ResidencyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Residency", name, opts)
        in_the_cloud = args.placement.here_kind == "cloud"
        documents = (
            refusal_of_sensitive(args.placement)
            if in_the_cloud
            else admission(args.placement, args.storage_classes_on_site)
        )
        create([*documents, *egress(args.placement)], self)
        self.policies = pulumi.Output.from_input(
            [one["metadata"]["name"] for one in documents if one["kind"] == "ValidatingAdmissionPolicy"]
        )
        self.register_outputs({"policies": self.policies})


def admission(placement: PlacementPlan, storage_classes_on_site: Sequence[str]) -> list[dict[str, Any]]:
    """Return the admission policies with their bindings. A refusal begins with the requirement's id."""
    clouds = [location.name for location in placement.locations if location.kind == "cloud"]
    hosts = list(placement.hosts_of_kind("cloud"))
    sensitive = {"matchLabels": {CLASS_LABEL: SENSITIVE}}
    return [
        *_policy(
            "portolan-sensitive-pods",
            [_rule("", "v1", "pods", "CREATE", "UPDATE")],
            sensitive,
            [_check(*pair) for pair in _pod_rules(clouds, hosts)],
        ),
        *_policy(
            "portolan-sensitive-bindings",
            [_rule("", "v1", "pods/binding", "CREATE")],
            sensitive,
            [
                _check(
                    f"!(object.target.name in {_list(hosts)})",
                    f"'{HOLDS}: pod ' + object.metadata.name + ' is sensitive and cannot be bound to '"
                    " + object.target.name + ', a host in the cloud'",
                )
            ],
        ),
        *_policy(
            "portolan-sensitive-volumes",
            [_rule("", "v1", "persistentvolumeclaims", "CREATE")],
            sensitive,
            [
                _check(
                    f"has(object.spec.storageClassName) && object.spec.storageClassName in "
                    f"{_list(storage_classes_on_site)}",
                    f"'{HOLDS}: a volume for namespace ' + object.metadata.namespace + ' must name a storage class on "
                    f"site ({', '.join(storage_classes_on_site)}), not ' + "
                    "(has(object.spec.storageClassName) ? object.spec.storageClassName : 'the default one')",
                )
            ],
        ),
        *_policy(
            "portolan-data-class",
            [_rule("", "v1", "namespaces", "UPDATE")],
            {},
            [
                _check(
                    f"!(has(oldObject.metadata.labels) && '{CLASS_LABEL}' in oldObject.metadata.labels && "
                    f"oldObject.metadata.labels['{CLASS_LABEL}'] == '{SENSITIVE}') || (has(object.metadata.labels) && "
                    f"'{CLASS_LABEL}' in object.metadata.labels && "
                    f"object.metadata.labels['{CLASS_LABEL}'] == '{SENSITIVE}')",
                    f"'{HOLDS}: namespace ' + object.metadata.name + ' holds sensitive data and keeps its class; move "
                    "what is not sensitive to a namespace of another class'",
                )
            ],
        ),
        *_bursts(placement),
    ]


def refusal_of_sensitive(placement: PlacementPlan) -> list[dict[str, Any]]:
    """Return the policies of a cluster that is in the cloud whole: nothing that says it is sensitive may be there."""
    label = f"'{CLASS_LABEL}'"
    on_site = sorted(name for name, data in NAMESPACE_CLASSES.items() if data is DataClass.SENSITIVE)
    names = [name for name in on_site if name not in placement.namespaces]
    calm = (
        f"!(has(object.metadata.labels) && {label} in object.metadata.labels && "
        f"object.metadata.labels[{label}] == '{SENSITIVE}')"
    )
    where = f"{HOLDS}, and this cluster is in the cloud (location {placement.here})"
    return [
        *_policy(
            "portolan-no-sensitive-namespaces",
            [_rule("", "v1", "namespaces", "CREATE", "UPDATE")],
            {},
            [
                _check(calm, f"'{where}: namespace ' + object.metadata.name + ' says that it holds sensitive data'"),
                _check(
                    f"!(object.metadata.name in {_list(names)})",
                    f"'{where}: namespace ' + object.metadata.name + ' belongs to the cluster on site'",
                ),
            ],
        ),
        *_policy(
            "portolan-no-sensitive-work",
            [
                _rule("", "v1", "pods", "CREATE", "UPDATE"),
                _rule("", "v1", "persistentvolumeclaims", "CREATE", "UPDATE"),
                _rule("batch", "v1", "jobs", "CREATE", "UPDATE"),
                _rule("ray.io", "v1", "rayjobs", "CREATE", "UPDATE"),
            ],
            {},
            [_check(calm, f"'{where}: what is made here says by its label {CLASS_LABEL} that it is sensitive'")],
        ),
        *_bursts(placement),
    ]


def _bursts(placement: PlacementPlan) -> list[dict[str, Any]]:
    return _policy(
        "portolan-bursts",
        [_rule("ray.io", "v1", "rayjobs", "CREATE", "UPDATE")],
        {"matchLabels": {CLASS_LABEL: DataClass.ANONYMISED.value}},
        [_check(*pair) for pair in _burst_rules(placement)],
    )


def _pod_rules(clouds: Sequence[str], hosts: Sequence[str]) -> list[tuple[str, str]]:
    """Return what a sensitive pod may not ask for, each as an expression and a message."""
    where = f"{HOLDS}: this pod of namespace ' + namespaceObject.metadata.name + ' asks for the cloud by "
    forbidden = {KIND_LABEL: ["cloud"], LOCATION_LABEL: clouds, ZONE_LABEL: clouds, "kubernetes.io/hostname": hosts}
    table = _map(forbidden)
    selector = (
        "!has(object.spec.nodeSelector) || object.spec.nodeSelector.all(key, "
        f"!(key in {table}) || !(object.spec.nodeSelector[key] in {table}[key]))"
    )
    terms = "object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    affinity = (
        "!has(object.spec.affinity) || !has(object.spec.affinity.nodeAffinity) || "
        "!has(object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution) || "
        f"!{terms}.exists(term, has(term.matchExpressions) && term.matchExpressions.exists(one, "
        f"one.operator == 'In' && one.key in {table} && one.values.exists(value, value in {table}[one.key])))"
    )
    # No key tolerates everything, the cloud's taint with it.
    tolerations = (
        "!has(object.spec.tolerations) || object.spec.tolerations.all(one, "
        f"has(one.key) && one.key != '' && one.key != '{KIND_LABEL}')"
    )
    named = f"!has(object.spec.nodeName) || !(object.spec.nodeName in {_list(hosts)})"
    return [
        (selector, f"'{where}nodeSelector'"),
        (affinity, f"'{where}nodeAffinity'"),
        (tolerations, f"'{where}a toleration'"),
        (named, f"'{where}nodeName ' + object.spec.nodeName"),
    ]


def _burst_rules(placement: PlacementPlan) -> list[tuple[str, str]]:
    """Return what a burst must be when it is made, and who may start it."""
    classes = [DataClass.ANONYMISED.value, DataClass.PUBLIC.value]
    label = f"'{CLASS_LABEL}'"
    seconds = placement.bursts.seconds_per_job
    is_class = (
        f"has(object.metadata.labels) && {label} in object.metadata.labels && "
        f"object.metadata.labels[{label}] in {_list(classes)}"
    )
    deadline = f"has(object.spec.activeDeadlineSeconds) && object.spec.activeDeadlineSeconds <= {seconds}"
    suspended = "has(object.spec.suspend) && object.spec.suspend"
    started = "oldObject != null && (!has(oldObject.spec.suspend) || !oldObject.spec.suspend)"
    return [
        (
            is_class,
            f"'{HOLDS}: a burst works on anonymised or public data; say so by the label {CLASS_LABEL}'",
        ),
        (
            deadline,
            f"'{REQUIREMENT}: a burst may take {seconds} s; set spec.activeDeadlineSeconds to that or less'",
        ),
        (
            f"{suspended} || {started} || request.userInfo.username == '{QUEUE_ACCOUNT}'",
            f"'{REQUIREMENT}: a burst waits for the queue: make it with spec.suspend true'",
        ),
    ]


def egress(placement: PlacementPlan) -> list[Document]:
    """Return where pods of sensitive namespaces may connect to: each other, name servers, and hosts on site."""
    on_site = [str(location.range) for location in placement.locations if location.kind == "on-site"]
    names = [
        {
            "to": [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                }
            ],
            "ports": [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")],
        }
    ]
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "stays-on-site", "namespace": namespace},
            "spec": {
                "podSelector": {},
                "policyTypes": ["Egress"],
                "egress": [
                    {"to": [{"namespaceSelector": {"matchLabels": {CLASS_LABEL: SENSITIVE}}}]},
                    *names,
                    {"to": [{"ipBlock": {"cidr": one}} for one in on_site]},
                ],
            },
        }
        for namespace, data in sorted(placement.namespaces.items())
        if data is DataClass.SENSITIVE
    ]


def _policy(
    name: str, rules: list[dict[str, Any]], namespaces: dict[str, Any], checks: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    resources: dict[str, Any] = {"resourceRules": rules}
    if namespaces:
        resources["namespaceSelector"] = namespaces
    labels = {"app.kubernetes.io/part-of": "portolan"}
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name, "labels": labels, "annotations": {"portolan.dev/requirement": REQUIREMENT}},
            "spec": {"failurePolicy": "Fail", "matchConstraints": resources, "validations": checks},
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name, "labels": labels},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


def _rule(group: str, version: str, resource: str, *operations: str) -> dict[str, Any]:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": [resource],
        "operations": list(operations),
    }


def _check(expression: str, message: str) -> dict[str, Any]:
    return {"expression": expression, "messageExpression": message, "message": HOLDS, "reason": "Forbidden"}


def _list(values: Sequence[str]) -> str:
    """Return a list as CEL writes it, which here is as JSON does."""
    return json.dumps(list(values))


def _map(values: dict[str, list[str]]) -> str:
    return json.dumps(values)
