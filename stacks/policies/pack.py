"""The rules as a Pulumi policy pack, for an engine that can run one."""

from __future__ import annotations

from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from portolan.cloud.resources import Resource
from stacks.policies.rules import RULES
from stacks.policies.shapes import Limits, Rule, StackRule
from stacks.policies.whole import STACK_RULES


def policies(limits: Limits) -> list[ResourceValidationPolicy | StackValidationPolicy]:
    """Return one policy a rule: those on one resource, and those on the whole stack."""
    return [*(_of_resource(rule, limits) for rule in RULES), *(_of_stack(rule, limits) for rule in STACK_RULES)]


def make_pack(limits: Limits) -> PolicyPack:
    """Register the pack with the engine; a violation fails the preview."""
    return PolicyPack("portolan", policies(limits), EnforcementLevel.MANDATORY)


def _of_resource(rule: Rule, limits: Limits) -> ResourceValidationPolicy:
    def check(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for violation in rule(_resource(args), limits):
            report(str(violation), None)

    return ResourceValidationPolicy(_name(rule), _summary(rule), check)


def _of_stack(rule: StackRule, limits: Limits) -> StackValidationPolicy:
    def check(args: StackValidationArgs, report: ReportViolation) -> None:
        for violation in rule([_resource(one) for one in args.resources], limits):
            report(str(violation), None)

    return StackValidationPolicy(_name(rule), _summary(rule), check)


def _resource(one: Any) -> Resource:
    options = getattr(one, "opts", None)
    protected = getattr(options, "protect", None)
    return Resource(one.resource_type, one.name, one.props, None if protected is None else bool(protected))


def _name(rule: Any) -> str:
    return str(rule.__name__).replace("_", "-")


def _summary(rule: Any) -> str:
    return (rule.__doc__ or "").split("\n")[0]
