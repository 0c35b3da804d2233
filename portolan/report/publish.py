"""Formats to files: all of them written, or none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from portolan.errors import PortolanError
from portolan.report.content import Document


def _html(document: Document) -> bytes:
    from portolan.report.render import html

    return html.render(document)


def _pdf(document: Document) -> bytes:
    from portolan.report.render import pdf

    return pdf.render(document)


def _xlsx(document: Document) -> bytes:
    from portolan.report.render import xlsx

    return xlsx.render(document)


def _ocds(document: Document) -> bytes:
    from portolan.report.render import ocds

    return ocds.render(document)


def _docx(document: Document) -> bytes:
    from portolan.report.render import docx

    return docx.render(document)


def _json(document: Document) -> bytes:
    from portolan.report.render import json

    return json.render(document)


# Format -> (end of the file's name, renderer); a renderer's library is imported only where its format is asked for.
FORMATS: Final[dict[str, tuple[str, Callable[[Document], bytes]]]] = {
    "html": (".html", _html),
    "pdf": (".pdf", _pdf),
    "xlsx": (".xlsx", _xlsx),
    "ocds": (".ocds.json", _ocds),
    "docx": (".docx", _docx),
    "json": (".json", _json),
}


def formats_of(names: str) -> tuple[str, ...]:
    """Return the formats of a list with commas, each once; raises PortolanError for one that does not exist."""
    chosen = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown or not chosen:
        what = f"no format '{unknown[0]}'" if unknown else "no format is given"
        raise PortolanError("--format", what, f"give some of {', '.join(FORMATS)}, with commas between them")
    return chosen


def publish(document: Document, formats: Sequence[str], out: Path) -> tuple[Path, ...]:
    """Write the report in these formats to a directory, and return the files.

    Everything is rendered in a temporary directory beside `out` first; then each file is put in its place in one step.
    Raises PortolanError where the directory cannot be written; no part of a file is left behind.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=".report-", dir=out))
    except OSError as error:
        raise PortolanError(
            f"--out {out}", f"cannot be written: {error.strerror}", "give a directory that is yours, or may be made"
        ) from error
    try:
        made = []
        for name in formats:
            ending, render = FORMATS[name]
            draft = workshop / f"{document.site}-{document.language}{ending}"
            draft.write_bytes(render(document))
            made.append(draft)
        return tuple(draft.replace(out / draft.name) for draft in made)
    except OSError as error:
        raise PortolanError(
            f"--out {out}", f"cannot be written: {error.strerror}", "free some disk space, or give another directory"
        ) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
