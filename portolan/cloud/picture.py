"""A graph as text for Graphviz and Mermaid, and as a picture by Graphviz."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Literal

from portolan.cloud.graph import CATEGORIES, Graph, Group, Node, colour_of, label_of
from portolan.errors import PortolanError

SECONDS = 120


def dot(graph: Graph) -> str:
    """Return the graph in Graphviz's language."""
    lines = [
        f"digraph {_quoted(graph.site)} {{",
        f'  label={_quoted(graph.title)}; labelloc=t; fontsize=22; fontname="Helvetica"; rankdir=LR; compound=true;',
        '  graph [ranksep=0.9, nodesep=0.18, pad=0.4, style=rounded, color="#888888", newrank=true];',
        '  node [shape=box, style="filled,rounded", fontname="Helvetica", fontsize=11, margin="0.12,0.06"];',
        '  edge [color="#55555599", arrowsize=0.6, fontname="Helvetica", fontsize=11];',
        *_groups(graph, "", "  "),
        *(
            f"  {_quoted(edge.source)} -> {_quoted(edge.target)}"
            + (f' [label={_quoted(edge.label)}, style=bold, color="#cc3311", dir=both]' if edge.label else "")
            + ";"
            for edge in graph.edges
        ),
        *_legend(graph),
        "}",
    ]
    return "\n".join(lines) + "\n"


def mermaid(graph: Graph) -> str:
    """Return the graph in Mermaid's language, which many wikis draw."""
    places = {group.id: f"group{place}" for place, group in enumerate(graph.groups)}

    def inside(parent: str, indent: str) -> list[str]:
        found = [f'{indent}{one.id}["{label_of(one).replace(chr(10), "<br/>")}"]' for one in _in(graph, parent)]
        for group in _under(graph, parent):
            found += [f'{indent}subgraph {places[group.id]}["{group.name} ({_short(group)})"]']
            found += [*inside(group.id, indent + "  "), f"{indent}end"]
        return found

    edges = [
        f"  {edge.source} {f'<-- {edge.label} -->' if edge.label else '-->'} {edge.target}" for edge in graph.edges
    ]
    return "\n".join(["flowchart LR", *inside("", "  "), *edges]) + "\n"


def draw(graph: Graph, form: Literal["svg", "png"]) -> bytes:
    """Return the graph as a picture.

    Raises PortolanError where Graphviz is missing or fails.
    """
    program = shutil.which("dot")
    if program is None:
        raise PortolanError(
            "dot", "Graphviz is not installed", "apt-get install graphviz; or choose -o dot, mermaid or json"
        )
    # A bitmap has a size that fits a screen's memory; a drawing has none.
    command = [program, f"-T{form}", *(["-Gdpi=110"] if form == "png" else [])]
    done = subprocess.run(command, input=dot(graph).encode(), capture_output=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise PortolanError("dot", done.stderr.decode().strip(), "choose -o dot and look at the text")
    return done.stdout


def save(picture: bytes, path: Path) -> None:
    """Write a picture beside what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)


def _groups(graph: Graph, parent: str, indent: str) -> list[str]:
    lines = [
        f"{indent}{_quoted(one.id)} [label={_quoted(label_of(one))}, fillcolor={_quoted(colour_of(one.category))}"
        + (", penwidth=2.5" if one.protected else "")
        + "];"
        for one in _in(graph, parent)
    ]
    for group in _under(graph, parent):
        inside = _groups(graph, group.id, indent + "  ")
        if inside:
            lines += [f"{indent}subgraph {_quoted('cluster ' + group.id)} {{"]
            lines += [f"{indent}  label={_quoted(f'{group.name} ({_short(group)})')}; fontsize=14; labelloc=t;"]
            lines += [*inside, f"{indent}}}"]
    return lines


def _legend(graph: Graph) -> list[str]:
    used = [name for name in CATEGORIES if any(node.category == name for node in graph.nodes)]
    boxes = [
        f"    {_quoted('legend ' + name)} [label={_quoted(name)}, fillcolor={_quoted(colour_of(name))}];"
        for name in used
    ]
    kept = '    "legend kept" [label="protected against deletion", fillcolor="#ffffff", penwidth=2.5];'
    return ['  subgraph "cluster legend" {', '    label="legend"; style=dashed;', *boxes, kept, "  }"]


def _in(graph: Graph, parent: str) -> list[Node]:
    known = {group.id for group in graph.groups}
    return [one for one in graph.nodes if one.group == parent or (not parent and one.group not in known)]


def _under(graph: Graph, parent: str) -> list[Group]:
    return [group for group in graph.groups if group.parent == parent]


def _short(group: Group) -> str:
    return group.kind.removeprefix("portolan:")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
