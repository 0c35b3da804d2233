"""`portolan graph`: the stack as a picture and as text."""

from __future__ import annotations

import json
import shutil
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from portolan.cli import application
from portolan.cloud import picture
from portolan.cloud.graph import graph_of
from portolan.errors import PortolanError
from tests.support.clouds import PROVIDERS, plan_of, stack_of


@pytest.fixture(params=PROVIDERS)
def graph(request):
    return graph_of(plan_of(request.param), stack_of(request.param).resources)


def test_every_resource_is_in_exactly_one_box(graph):
    declared = [one.name for one in stack_of(graph.site).resources if not one.component and "pulumi:" not in one.kind]
    assert sorted(name for node in graph.nodes for name in node.names) == sorted(declared)


def test_every_edge_joins_two_boxes(graph):
    known = {node.id for node in graph.nodes}
    assert graph.edges
    assert {end for edge in graph.edges for end in (edge.source, edge.target)} <= known


def test_every_box_has_a_meaning(graph):
    assert [node.kind for node in graph.nodes if node.category == "other"] in (
        [],
        ["kubernetes:storage.k8s.io/v1:StorageClass"],
        ["azure-native:resources:ResourceGroup"],
    )


def test_an_edge_that_a_longer_way_says_is_left_out(graph):
    nexts = {}
    for edge in graph.edges:
        nexts.setdefault(edge.source, set()).add(edge.target)
    for source, targets in nexts.items():
        for target in targets:
            others = targets - {target}
            assert not any(target in nexts.get(one, ()) and source not in nexts.get(one, ()) for one in others)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_the_picture_shows_every_box_and_component(graph):
    drawn = ElementTree.fromstring(picture.draw(graph, "svg"))
    text = " ".join(one.text or "" for one in drawn.iter("{http://www.w3.org/2000/svg}text"))
    for node in graph.nodes:
        assert node.kind.rsplit(":", 1)[-1] in text
    for group in graph.groups:
        if any(node.group == group.id for node in graph.nodes):
            assert group.kind.removeprefix("portolan:") in text


def test_mermaid_opens_and_closes_as_many_groups(graph):
    text = picture.mermaid(graph)
    assert text.count("subgraph") == text.count("\n  end") + text.count("    end") > 3


def test_without_graphviz_the_error_names_the_package(graph, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PortolanError, match="not installed") as error:
        picture.draw(graph, "svg")
    assert "apt-get install graphviz" in error.value.remedy


def test_the_command_gives_the_graph_as_data():
    done = CliRunner().invoke(application(), ["graph", "-s", "hybrid", "-o", "json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["site"] == "hybrid"
    assert [edge["label"] for edge in document["edges"] if edge["label"]] == ["WireGuard"]


def test_an_unknown_stack_is_one_clear_error():
    with pytest.raises(PortolanError, match="no such site file"):
        CliRunner().invoke(application(), ["graph", "-s", "mars"], catch_exceptions=False)
