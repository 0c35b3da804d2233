"""Roles that AWS services and workloads take; no key is made anywhere."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws.iam as iam


def trust(service: str) -> str:
    """Return the policy that lets an AWS service take a role; pods take theirs by EKS pod identity."""
    actions = ["sts:AssumeRole", "sts:TagSession"] if service == "pods.eks.amazonaws.com" else ["sts:AssumeRole"]
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(
    name: str,
    service: str,
    managed: tuple[str, ...],
    tags: dict[str, str],
    opts: pulumi.ResourceOptions,
) -> tuple[iam.Role, list[pulumi.Resource]]:
    """Make a role with AWS's managed policies; the attachments are what a user of the role must wait for."""
    made = iam.Role(name, assume_role_policy=trust(service), tags=tags, opts=opts)
    attachments: list[pulumi.Resource] = [
        iam.RolePolicyAttachment(
            f"{name}-{policy.rsplit('/', 1)[-1]}",
            role=made.name,
            policy_arn=f"arn:aws:iam::aws:policy/{policy}",
            opts=opts,
        )
        for policy in managed
    ]
    return made, attachments
