"""The program run against Pulumi's mocks: nothing is asked of a provider, and everything that it declares is noted."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.stack import run_pulumi_func

from stacks.policies.rules import Resource

PROJECT = "portolan"
SECRET_MARK = "4dabf18193072939515e22adb298388d"  # Pulumi's own, of a secret's envelope
ACCOUNT = "123456789012"
AUTHORITY = base64.b64encode(b"rehearsal").decode()
KUBECONFIG = """\
clusters:
  - name: rehearsal
    cluster: {server: "https://rehearsal.privatelink.example:443", certificate-authority-data: cmVoZWFyc2Fs}
"""
ANSWERS: dict[str, dict[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT, "arn": "", "id": "", "userId": ""},
    "azure-native:authorization:getClientConfig": {
        "clientId": "rehearsal",
        "objectId": "rehearsal",
        "subscriptionId": "00000000-0000-0000-0000-000000000000",
        "tenantId": "00000000-0000-0000-0000-000000000001",
    },
    "azure-native:containerservice:listManagedClusterUserCredentials": {
        "kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(KUBECONFIG.encode()).decode()}]
    },
    "gcp:organizations/getProject:getProject": {
        "projectId": "rehearsal",
        "number": ACCOUNT,
        "billingAccount": "000000-000000-000000",
        "id": "projects/rehearsal",
        "name": "rehearsal",
    },
}
# What a provider says of a resource that it has made, as far as the program reads it.
MADE: dict[str, dict[str, Any]] = {
    "aws:kms/key:Key": {"keyId": "rehearsal"},
    "aws:eks/cluster:Cluster": {"endpoint": "https://192.0.2.1", "certificateAuthority": {"data": AUTHORITY}},
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
    "azure-native:containerservice:ManagedCluster": {
        "privateFQDN": "rehearsal.privatelink.example",
        "oidcIssuerProfile": {"enabled": True, "issuerURL": "https://issuer.example/"},
    },
    "azure-native:managedidentity:UserAssignedIdentity": {"principalId": "principal", "clientId": "client"},
    "azure-native:keyvault:Vault": {"properties": {"vaultUri": "https://vault.example/"}},
    "azure-native:keyvault:Key": {
        "keyUri": "https://vault.example/keys/one",
        "keyUriWithVersion": "https://vault.example/keys/one/1",
    },
    "gcp:container/cluster:Cluster": {"endpoint": "192.0.2.2", "masterAuth": {"clusterCaCertificate": AUTHORITY}},
    "gcp:serviceaccount/account:Account": {"email": "account@rehearsal.example"},
    "gcp:logging/projectSink:ProjectSink": {"writerIdentity": "serviceAccount:writer@rehearsal.example"},
    "kubernetes:core/v1:Service": {"status": {"loadBalancer": {"ingress": [{"hostname": "balancer.example"}]}}},
}


@dataclass(frozen=True)
class Declared:
    """A resource as the engine would be asked for it, with its place in the graph."""

    urn: str
    kind: str
    name: str
    parent: str
    inputs: Mapping[str, Any]
    needs: tuple[str, ...]  # urns: given explicitly, or because one of its inputs is another's output
    component: bool
    protected: bool

    @property
    def rule(self) -> Resource:
        """Return the resource as the rules judge it."""
        return Resource(self.kind, self.name, self.inputs)


@dataclass
class Rehearsal:
    """What a program declared."""

    resources: list[Declared] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[Declared]:
        """Return the resources of a type."""
        return [one for one in self.resources if one.kind == kind]


class Answers(pulumi.runtime.Mocks):
    """Says of each resource what its provider would; `helm:template` is rendered by `render`."""

    def __init__(self, rehearsal: Rehearsal, render: Callable[[dict[str, Any]], Any] | None) -> None:
        self._rehearsal, self._render = rehearsal, render

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Return an id, and the inputs with what the provider adds."""
        names = {"arn": f"arn:aws:rehearsal:::{args.name}", "name": args.name}
        made = {**names, **args.inputs}
        for key, value in MADE.get(args.typ, {}).items():
            given = made.get(key)
            made[key] = {**given, **value} if isinstance(given, dict) and isinstance(value, dict) else value
        identities = made.get("identity")
        if isinstance(identities, dict) and isinstance(identities.get("userAssignedIdentities"), list):
            # Azure is given a list of them, and answers with what it knows of each.
            known = {one: {"clientId": "", "principalId": ""} for one in identities["userAssignedIdentities"]}
            made["identity"] = {**identities, "userAssignedIdentities": known}
        return f"{args.name}-id", made

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        """Return what the provider would answer."""
        self._rehearsal.calls.append(args.token)
        if args.token == "kubernetes:helm:template" and self._render is not None:
            return {"result": self._render(json.loads(args.args["jsonOpts"]))}
        return ANSWERS[args.token]


class Monitor(MockMonitor):
    """Notes each resource with its parent and what it waits for."""

    def __init__(self, mocks: Answers, rehearsal: Rehearsal) -> None:
        super().__init__(mocks)
        self._rehearsal = rehearsal

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        """Note the resource, then answer as the mocks do."""
        answer = super().RegisterResource(request)
        if request.type == "pulumi:pulumi:Stack":
            return answer
        through = [urn for one in request.propertyDependencies.values() for urn in one.urns]
        maker = request.provider.rpartition("::")[0]  # the rest is the provider's id
        self._rehearsal.resources.append(
            Declared(
                urn=answer.urn,
                kind=request.type,
                name=request.name,
                parent=request.parent,
                inputs=rpc.deserialize_properties(request.object),
                needs=tuple(dict.fromkeys([*request.dependencies, *through, *([maker] if maker else [])])),
                component=not request.custom,
                protected=request.protect,
            )
        )
        return answer


def rehearse(
    program: Callable[[], None], stack: str, render: Callable[[dict[str, Any]], Any] | None = None
) -> Rehearsal:
    """Run a program once and return what it declared and exported."""
    rehearsal = Rehearsal()
    answers = Answers(rehearsal, render)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(answers, project=PROJECT, stack=stack, monitor=Monitor(answers, rehearsal))
    with contextlib.closing(loop):
        loop.run_until_complete(run_pulumi_func(program))
    return rehearsal
