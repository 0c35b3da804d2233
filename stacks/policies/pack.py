"""The rules as a Pulumi policy pack, for an engine that can run one."""

from __future__ import annotations

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from stacks.policies import rules


def policies(limits: rules.Limits) -> list[ResourceValidationPolicy | StackValidationPolicy]:
    """Return one policy a rule, and one for what only the whole stack shows."""
    made: list[ResourceValidationPolicy | StackValidationPolicy] = [_of_resource(rule, limits) for rule in rules.RULES]

    def whole(args: StackValidationArgs, report: ReportViolation) -> None:
        known = [rules.Resource(one.resource_type, one.name, one.props) for one in args.resources]
        for violation in (
            *rules.audit_logs(known),
            *rules.every_bucket_is_closed(known),
            *rules.cost_ceiling(known, limits),
        ):
            report(str(violation), None)

    made.append(StackValidationPolicy("whole-stack", "Logs, buckets and cost of the stack together", validate=whole))
    return made


def make_pack(limits: rules.Limits) -> PolicyPack:
    """Register the pack with the engine; a violation fails the preview."""
    return PolicyPack("portolan", policies(limits), EnforcementLevel.MANDATORY)


def _of_resource(rule: rules.Rule, limits: rules.Limits) -> ResourceValidationPolicy:
    def check(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for violation in rule(rules.Resource(args.resource_type, args.name, args.props), limits):
            report(str(violation), None)

    return ResourceValidationPolicy(rule.__name__.replace("_", "-"), (rule.__doc__ or "").split("\n")[0], check)
