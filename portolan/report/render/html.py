"""HTML in one file: no script, no other file, no network; made to be read by eye, by ear and on paper."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from portolan.report.content import Document

TEMPLATES = Path(__file__).parent.parent / "templates"


def render(document: Document) -> bytes:
    """Return the report as HTML; every text is escaped by the template engine."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["embedded"] = _embedded
    return environment.get_template("report.html.j2").render(report=document).encode()


def _embedded(svg: str) -> str:
    """Return an SVG as the address of an image, apart from the page's own identifiers."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
