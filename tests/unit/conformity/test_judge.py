"""What was not measured never passes; a value on the other side of the target never does either."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portolan.conformity.evidence import Evidence
from portolan.conformity.judge import judge, show, version
from portolan.sizing.plan import Target

values = st.one_of(st.none(), st.booleans(), st.text(max_size=20), st.floats(), st.integers().map(float))
wanted_values = st.one_of(st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False))
operators = st.sampled_from([">=", "<=", "==", "present"])
units = st.sampled_from(["cores", "bytes", "GPU", "bits/s", "yes/no", "version", "nonsense"])
amounts = st.floats(min_value=1e-6, max_value=1e15)


def target(operator=">=", value=8.0, unit="cores", simulated=False):
    return Target(
        id="X/1",
        requirement="X",
        subject="host/worker-1",
        check="host.cpu-cores",
        operator=operator,
        value=value,
        unit=unit,
        simulated=simulated,
    )


def evidence(value, unit="cores", reason=None, simulated=False):
    return Evidence(
        value=value,
        unit=unit,
        method="nproc",
        host="worker-1",
        time="2026-01-01T00:00:00Z",
        reason_not_measured=reason,
        simulated=simulated,
    )


@given(operator=operators, wanted=wanted_values, unit=units, measured_unit=units, value=values, simulated=st.booleans())
def test_every_measurement_has_exactly_one_verdict_with_an_explanation(
    operator, wanted, unit, measured_unit, value, simulated
):
    judgement = judge(target(operator, wanted, unit), evidence(value, measured_unit, simulated=simulated))
    assert judgement.verdict in ("pass", "fail", "not-measured")
    assert judgement.explanation


@given(operator=operators, wanted=wanted_values, value=values, reason=st.text(min_size=1))
def test_what_was_not_measured_never_passes_and_says_why(operator, wanted, value, reason):
    judgement = judge(target(operator, wanted), evidence(value, reason=reason))
    assert judgement.verdict == "not-measured"
    assert judgement.explanation == reason


@given(operator=operators, wanted=wanted_values)
def test_no_value_is_not_measured(operator, wanted):
    assert judge(target(operator, wanted), evidence(None)).verdict == "not-measured"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@given(operator=operators)
def test_no_number_is_not_measured(value, operator):
    assert judge(target(operator), evidence(value)).verdict == "not-measured"


@given(operator=operators, wanted=wanted_values, value=values, on_target=st.booleans())
def test_a_simulated_device_never_passes(operator, wanted, value, on_target):
    judgement = judge(target(operator, wanted, simulated=on_target), evidence(value, simulated=not on_target))
    assert judgement.verdict == "not-measured"


@given(wanted=amounts, factor=st.floats(min_value=1.001, max_value=1000))
def test_at_least_passes_from_the_target_on_and_fails_below(wanted, factor):
    assert judge(target(">=", wanted), evidence(wanted)).verdict == "pass"
    assert judge(target(">=", wanted), evidence(wanted * factor)).verdict == "pass"
    assert judge(target(">=", wanted), evidence(wanted / factor)).verdict == "fail"


@given(wanted=amounts, factor=st.floats(min_value=1.001, max_value=1000))
def test_at_most_passes_up_to_the_target_and_fails_beyond(wanted, factor):
    assert judge(target("<=", wanted), evidence(wanted)).verdict == "pass"
    assert judge(target("<=", wanted), evidence(wanted / factor)).verdict == "pass"
    assert judge(target("<=", wanted), evidence(wanted * factor)).verdict == "fail"


@given(wanted=amounts, measured=amounts)
def test_equal_passes_only_for_the_same_number(wanted, measured):
    assume(not math.isclose(wanted, measured, rel_tol=1e-6))
    assert judge(target("==", wanted), evidence(wanted)).verdict == "pass"
    assert judge(target("==", wanted), evidence(measured)).verdict == "fail"


@given(numbers=st.lists(st.integers(0, 99), min_size=1, max_size=4), place=st.integers(0, 3))
def test_versions_are_compared_number_by_number(numbers, place):
    place %= len(numbers)
    newer = [*numbers[:place], numbers[place] + 1, *numbers[place + 1 :]]
    text, newer_text = ".".join(map(str, numbers)), ".".join(map(str, newer))
    assert judge(target(">=", text, "version"), evidence(f"v{newer_text}", "version")).verdict == "pass"
    assert judge(target(">=", text, "version"), evidence(text, "version")).verdict == "pass"
    assert judge(target(">=", newer_text, "version"), evidence(text, "version")).verdict == "fail"


def test_version_1_36_is_newer_than_1_4():
    assert judge(target(">=", "1.4", "version"), evidence("v1.36.3+portolan", "version")).verdict == "pass"


@pytest.mark.parametrize(("answer", "verdict"), [(True, "pass"), (False, "fail"), (0.0, "fail"), (2.0, "pass")])
def test_present_asks_for_yes_or_for_at_least_one(answer, verdict):
    assert judge(target("present", "present", ""), evidence(answer, "yes/no")).verdict == verdict


@pytest.mark.parametrize(("wanted", "verdict"), [("true", "pass"), (1.0, "pass"), ("no", "fail"), (0.0, "fail")])
def test_a_yes_can_be_compared_with_yes_and_no(wanted, verdict):
    assert judge(target("==", wanted, "yes/no"), evidence(True, "yes/no")).verdict == verdict


@pytest.mark.parametrize("wanted", [7.0, "debian 12"])
def test_a_yes_compared_with_anything_else_is_not_measured(wanted):
    assert judge(target("==", wanted, "yes/no"), evidence(True, "yes/no")).verdict == "not-measured"


def test_other_units_of_the_same_kind_are_converted():
    judgement = judge(target(">=", 16e9, "bytes"), evidence(16.0, "gibibyte"))
    assert judgement.verdict == "pass"
    assert judge(target(">=", 16e9, "bytes"), evidence(14.0, "gibibyte")).verdict == "fail"


def test_units_of_different_kinds_are_not_comparable():
    judgement = judge(target(">=", 1.0, "seconds"), evidence(5.0, "bytes"))
    assert judgement.verdict == "not-measured"
    assert "not comparable" in judgement.explanation


def test_text_is_compared_without_regard_to_case():
    assert judge(target("==", "debian 12", "system"), evidence("Debian 12", "system")).verdict == "pass"
    assert judge(target("==", "debian 12", "system"), evidence("debian 13", "system")).verdict == "fail"


def test_text_that_is_no_version_has_no_order():
    assert judge(target(">=", "1.35", "version"), evidence("unknown", "version")).verdict == "not-measured"


@pytest.mark.parametrize("text", ["", "v", "1.", "x1", "1.2.x"])
def test_what_is_no_version(text):
    assert version(text) is None


@given(value=st.one_of(st.booleans(), st.text(max_size=9), st.floats(-1e18, 1e18)), unit=units)
def test_every_value_can_be_shown(value, unit):
    assert isinstance(show(value, unit), str)


def test_a_fail_by_a_hair_does_not_look_like_the_target():
    found = judge(target("<=", 0.01, "seconds"), evidence(0.010027, "seconds"))
    assert found.verdict == "fail"
    assert found.explanation == "0.010027 seconds measured, at most 0.01 seconds wanted"
