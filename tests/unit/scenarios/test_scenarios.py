"""A scenario runs again when, and only when, a file that it depends on changed."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from portolan.errors import PortolanError
from portolan.sites.loader import load_site
from portolan.sites.schema import Site
from tests.support import scenarios
from tests.support.scenarios import Figure, Scenario


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one role, one lock and one scenario."""
    for path, text in {
        "ansible/roles/cni/tasks/main.yml": "- name: a\n",
        "lock.yaml": "kubernetes: {version: v1}\nother: {version: v1}\n",
        "docs/page.md": "A typo.\n",
        "tests/scenarios/one/test_one.py": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


SCENARIO = Scenario(title="One", minutes=1, depends=("ansible/roles/**/*", "lock.yaml#kubernetes.version"))


def passed(repository: Path) -> Path:
    records = repository / "passed"
    found = scenarios.digests("one", SCENARIO, repository)
    scenarios.keep("one", found, 61.2, 3, [Figure(name="gap", value=1.5, unit="seconds")], records)
    return records


def test_a_scenario_that_never_passed_depends_on_everything(repository: Path, tmp_path: Path) -> None:
    assert scenarios.changed("one", SCENARIO, repository, tmp_path / "none") == [
        "tests/scenarios/one/**/*",
        *SCENARIO.depends,
    ]


def test_a_pass_holds_while_nothing_changes(repository: Path) -> None:
    records = passed(repository)
    assert scenarios.changed("one", SCENARIO, repository, records) == []
    kept = scenarios.record("one", records)
    assert kept is not None
    assert (kept.seconds, kept.tests, kept.figures[0].value) == (61.2, 3, 1.5)


@pytest.mark.parametrize(
    ("path", "text", "glob"),
    [
        ("ansible/roles/cni/tasks/main.yml", "- name: b\n", "ansible/roles/**/*"),
        ("ansible/roles/cni/tasks/another.yml", "", "ansible/roles/**/*"),
        ("tests/scenarios/one/test_one.py", "x = 1\n", "tests/scenarios/one/**/*"),
        ("lock.yaml", "kubernetes: {version: v2}\nother: {version: v1}\n", "lock.yaml#kubernetes.version"),
    ],
)
def test_a_changed_file_is_named_by_its_glob(repository: Path, path: str, text: str, glob: str) -> None:
    records = passed(repository)
    (repository / path).write_text(text)
    assert scenarios.changed("one", SCENARIO, repository, records) == [glob]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("docs/page.md", "No typo.\n"),
        ("lock.yaml", "kubernetes: {version: v1}\nother: {version: v2}\n"),
        ("ansible/roles/cni/__pycache__/x.pyc", "compiled"),
    ],
)
def test_what_it_does_not_depend_on_changes_nothing(repository: Path, path: str, text: str) -> None:
    records = passed(repository)
    (repository / path).parent.mkdir(parents=True, exist_ok=True)
    (repository / path).write_text(text)
    assert scenarios.changed("one", SCENARIO, repository, records) == []


def test_a_damaged_record_is_no_pass(repository: Path) -> None:
    records = passed(repository)
    (records / "one.json").write_text("{")
    assert len(scenarios.changed("one", SCENARIO, repository, records)) == 3


def test_a_glob_that_finds_nothing_is_refused(repository: Path) -> None:
    wrong = SCENARIO.model_copy(update={"depends": ("ansible/rolls/**/*",)})
    with pytest.raises(PortolanError, match="no file is ansible/rolls"):
        scenarios.digests("one", wrong, repository)


def test_an_unknown_scenario_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(PortolanError, match="choose one of"):
        scenarios.load("none-of-that-name")


@pytest.mark.parametrize("name", scenarios.names())
def test_every_scenario_can_be_read_and_every_glob_finds_something(name: str) -> None:
    assert len(scenarios.digests(name, scenarios.load(name))) > 1


def test_no_two_scenarios_share_a_site_name_or_a_range_of_hosts() -> None:
    """So that two of them, and the example sandbox, can stand side by side."""
    files = [scenarios.FOLDER / name / "site.yaml" for name in scenarios.names()]
    sites = [load_site(file) for file in [scenarios.FOLDER.parents[1] / "sites" / "sandbox.yaml", *files]]
    assert len({site.name for site in sites}) == len(sites)
    for one, other in itertools.combinations(sites, 2):
        for range_of_one, range_of_other in itertools.product(ranges(one), ranges(other)):
            assert not range_of_one.overlaps(range_of_other), f"{one.name} and {other.name}"


def ranges(site: Site) -> list[IPv4Network]:
    """Return the ranges that a site's hosts lie in: its places', where it has some."""
    return [place.hosts for place in site.locations.places] if site.locations else [site.network.hosts]


def test_of_what_changed_as_much_runs_as_fits_into_the_minutes_given():
    minutes = {"hybrid": 25, "air-gap": 8, "upgrade": 15, "hardening": 8}
    assert scenarios.within(minutes, 31) == ["air-gap", "hardening", "upgrade"]
    assert scenarios.within(minutes, 7) == []
    assert scenarios.within(minutes, 56) == ["air-gap", "hardening", "upgrade", "hybrid"]
