"""PDF by Typst: tagged for assistive technology (PDF/UA-1), the same bytes each time."""

from __future__ import annotations

from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import typst

from portolan.report.content import Document

if TYPE_CHECKING:
    from typst import OutputFormat

TEMPLATE = Path(__file__).parent.parent / "templates" / "report.typ"


def render(document: Document) -> bytes:
    """Return the report as PDF; only the compiler's own fonts are used, so every machine sets the same page."""
    pages = _compile(document, "pdf")
    assert isinstance(pages, bytes)
    return pages


def pages(document: Document, pixels_per_inch: float = 90) -> list[bytes]:
    """Return each page of the report as PNG."""
    found = _compile(document, "png", pixels_per_inch)
    return [found] if isinstance(found, bytes) else list(found or [])


@cache
def picture(svg: str, pixels_per_inch: float = 160) -> bytes:
    """Return an SVG figure as PNG, for formats that cannot carry SVG."""
    source = '#set page(width: auto, height: auto, margin: 0pt)\n#image(bytes(sys.inputs.svg), format: "svg")'
    found = typst.Compiler(source.encode(), ignore_system_fonts=True, sys_inputs={"svg": svg}).compile(
        format="png", ppi=pixels_per_inch
    )
    assert isinstance(found, bytes)
    return found


def _compile(
    document: Document, output: OutputFormat, pixels_per_inch: float | None = None
) -> bytes | list[bytes] | None:
    compiler = typst.Compiler(
        TEMPLATE.read_bytes(), ignore_system_fonts=True, sys_inputs={"document": document.model_dump_json()}
    )
    stamp = datetime.combine(document.issued, time(), UTC)
    if output == "pdf":
        return compiler.compile(format="pdf", pdf_standards="ua-1", timestamp=stamp)
    return compiler.compile(format=output, ppi=pixels_per_inch, timestamp=stamp)
