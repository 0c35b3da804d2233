"""Identities that Azure's services and the workloads take, and what each may do; no key is made anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, managedidentity

# Azure's built-in roles by the identifier that all subscriptions share (Azure built-in roles, Microsoft Learn, 2025).
ROLES = {
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "Key Vault Crypto Service Encryption User": "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "Key Vault Crypto User": "12338af0-0e69-4776-bea7-57ae8d297424",
    "Key Vault Contributor": "f25e0fa2-a7c8-4377-a976-54943a77a395",
    "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
}


@dataclass(frozen=True)
class Place:
    """Where resources are made."""

    group: pulumi.Output[str]
    region: str
    tags: dict[str, str]
    subscription: pulumi.Output[str]
    tenant: pulumi.Output[str]


def identity(name: str, place: Place, opts: pulumi.ResourceOptions) -> managedidentity.UserAssignedIdentity:
    """Make an identity that may do nothing yet."""
    return managedidentity.UserAssignedIdentity(
        name, resource_group_name=place.group, location=place.region, tags=place.tags, opts=opts
    )


def grant(
    name: str,
    place: Place,
    who: managedidentity.UserAssignedIdentity,
    role: str,
    scope: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> authorization.RoleAssignment:
    """Let an identity do what a built-in role allows, on one resource only."""
    role_id = place.subscription.apply(
        lambda one: f"/subscriptions/{one}/providers/Microsoft.Authorization/roleDefinitions/{ROLES[role]}"
    )
    return authorization.RoleAssignment(
        name,
        principal_id=who.principal_id,
        principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
        role_definition_id=role_id,
        scope=scope,
        opts=opts,
    )
