"""A site that names use cases pays for them, and for no others."""

from __future__ import annotations

from portolan import paths
from portolan.requirements.schema import Requirements
from portolan.sites import Site, load_site
from portolan.sizing.engine import size
from portolan.sizing.use_cases import COSTS


def with_use_cases(*names: str) -> Site:
    site = load_site(paths.REPOSITORY / "sites" / "sandbox.yaml")
    return site.model_copy(update={"use_cases": names})


def test_every_use_case_that_can_be_named_has_a_cost(requirements: Requirements) -> None:
    plan = size(with_use_cases(*COSTS), requirements)
    for name, cost in COSTS.items():
        assert plan.has_service(name)
        assert plan.has_service(f"{name}-training") == bool(cost.training_mebibytes)


def test_a_site_pays_for_what_it_names_alone(requirements: Requirements) -> None:
    plan = size(with_use_cases("valuation"), requirements)
    assert plan.has_service("valuation")
    assert not plan.has_service("xray-inspection")


def test_more_declarations_give_more_replicas(requirements: Requirements) -> None:
    site = with_use_cases("hs-classification")
    busy = site.model_copy(update={"workload": site.workload.model_copy(update={"declarations_per_day": 400_000})})
    few, many = (size(one, requirements).service("hs-classification").replicas for one in (site, busy))
    assert many.value > few.value


def test_the_language_assistant_is_sized_by_its_users(requirements: Requirements) -> None:
    site = with_use_cases("language-assistant")
    load = {"language_model_users": 200_000, "language_model_requests_per_hour": 60.0}
    busy = site.model_copy(update={"workload": site.workload.model_copy(update=load)})
    few, many = (size(one, requirements).service("language-assistant").replicas for one in (site, busy))
    assert few.value == 1
    assert many.value > 1
