"""Each rule is broken by a file of `policies/` and kept once the fault is mended; the pack runs the same rules."""

from __future__ import annotations

import dataclasses
import inspect
from functools import cache
from pathlib import Path

import pytest
import yaml

from portolan.cloud.resources import Resource
from portolan.requirements import load_requirements
from stacks.policies.limits import limits_of
from stacks.policies.pack import policies
from stacks.policies.rules import RULES
from stacks.policies.whole import STACK_RULES
from tests.support.clouds import plan_of

FILES = sorted((Path(__file__).parent / "policies").glob("*.yaml"))
RULES_BY_NAME = {rule.__name__: rule for rule in (*RULES, *STACK_RULES)}


@pytest.fixture(scope="module")
def limits():
    known = limits_of(plan_of("aws").cloud)
    return dataclasses.replace(
        known,
        allowed_regions=("eu-west-3", "francecentral", "europe-west9"),
        monthly_ceiling=5000.0,
        # What the catalogue does not have, since nobody should choose it.
        cores={**known.cores, "c5.xlarge": 4, "Standard_D2s_v5": 2, "small-gpus": 16},
        accelerators={**known.accelerators, "small-gpus": 4},
        accelerator_gigabytes={**known.accelerator_gigabytes, "small-gpus": 48.0},
    )


@cache
def read(path):
    case = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    for key in ("refused", "accepted"):
        case[key] = [Resource(one["kind"], "one", one["properties"], one.get("protected")) for one in case[key]]
    return case


def judged(rule, resources, limits):
    if rule in STACK_RULES:
        return list(rule(resources, limits))
    return [found for one in resources for found in rule(one, limits)]


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_what_breaks_a_rule_is_refused_and_what_keeps_it_passes(path, limits):
    case = read(path)
    rule = RULES_BY_NAME[case["rule"]]
    violations = judged(rule, case["refused"], limits)
    assert [one.requirement for one in violations] == [case["requirement"]], violations
    assert case["found"] in violations[0].found
    assert violations[0].asked
    assert violations[0].remedy
    assert str(violations[0]).startswith(f"{case['requirement']}: {case['refused'][0].kind} one: found ")
    assert judged(rule, case["accepted"], limits) == []


def test_every_rule_has_a_file_that_breaks_it():
    assert {read(path)["rule"] for path in FILES} == set(RULES_BY_NAME)


def test_every_rule_that_differs_by_provider_has_a_file_of_each():
    for name in ("private_endpoint", "encryption", "no_public_buckets", "node_minima", "audit_logs", "cost_ceiling"):
        of_rule = {path.stem.rsplit("-", 1)[-1] for path in FILES if read(path)["rule"] == name}
        assert {"aws", "azure", "gcp"} <= of_rule, name


def test_every_rule_names_a_line_of_the_report():
    known = {row.id for row in load_requirements().rows}
    assert {read(path)["requirement"] for path in FILES} <= known
    for rule in RULES_BY_NAME.values():
        assert any(identity in inspect.getdoc(rule) for identity in known), rule.__name__


def test_the_policy_pack_runs_the_same_rules(limits):
    made = {one.name: one for one in policies(limits)}
    assert set(made) == {name.replace("_", "-") for name in RULES_BY_NAME}
    for path in FILES:
        case = read(path)
        said = []
        policy = made[case["rule"].replace("_", "-")]

        class Given:
            def __init__(self, one):
                self.resource_type, self.name, self.props = one.kind, one.name, one.properties
                self.opts = type("Options", (), {"protect": one.protected})

        given = [Given(one) for one in case["refused"]]
        if RULES_BY_NAME[case["rule"]] in STACK_RULES:
            policy.validate(type("Stack", (), {"resources": given}), lambda text, _urn=None: said.append(text))  # noqa: B023
        else:
            for one in given:
                policy.validate(one, lambda text, _urn=None: said.append(text))  # noqa: B023
        assert said == [str(one) for one in judged(RULES_BY_NAME[case["rule"]], case["refused"], limits)]
