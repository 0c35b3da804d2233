"""The matrix of a site from its newest evidence, written in the format that is asked for."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from portolan import paths
from portolan.conformity import matrix_render as render
from portolan.conformity.archive import judge_again, latest, read_evidence
from portolan.conformity.depth import Depth
from portolan.conformity.ledger import EVIDENCE
from portolan.conformity.matrix import Matrix, matrix
from portolan.conformity.registry import CHECKS
from portolan.conformity.run import site_plan, site_targets
from portolan.errors import PortolanError
from portolan.output import people, table
from portolan.requirements.selection import Language


def site_matrix(site: Path, past: Path | None = None, public_key: str | None = None) -> Matrix:
    """Return the matrix of a site; targets of every depth are listed, what the run did not look at is not measured.

    Raises PortolanError where there is no complete evidence, or it is not whole, or another site's.
    """
    from portolan.requirements.loader import load_requirements

    plan = site_plan(site)
    kept = read_evidence(latest(past or paths.site_state(plan.site) / "evidence"), CHECKS, public_key)
    if kept.header.get("site") != plan.site:
        what = f"is evidence of site {kept.header.get('site')!r}, not of {plan.site!r}"
        raise PortolanError(str(kept.folder), what, "give the folder of this site with --from")
    judgements = judge_again(site_targets(site, plan, Depth.BURN_IN), kept)
    digest = hashlib.sha256((kept.folder / EVIDENCE).read_bytes()).hexdigest()
    origin = {"time": kept.time, "depth": str(kept.header.get("depth", "")), "sha256": digest}
    return matrix(plan, load_requirements(), judgements, CHECKS, origin)


def write_matrix(found: Matrix, output: str, out: Path | None, language: Language) -> None:
    """Write the matrix to a file or to standard output.

    Raises PortolanError where the file cannot be written, or a PDF would go to a terminal.
    """
    if output == "table":
        print_table(found, language)
        return
    if output == "pdf":
        if out is None:
            raise PortolanError("--out", "a PDF is not for standard output", "name a file: --out certificate.pdf")
        content = render.as_pdf(found, language)
    else:
        content = {
            "json": lambda: render.as_json(found),
            "csv": lambda: render.as_csv(found, language),
            "html": lambda: render.as_html(found, language),
            "junit": lambda: render.as_junit(found),
            "oscal": lambda: render.as_oscal(found),
        }[output]().encode()
    if out is None:
        sys.stdout.write(content.decode())
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise PortolanError(str(out), f"cannot be written: {error.strerror}", "give another file with --out") from None
    people.print(f"written: {out}", markup=False, soft_wrap=True)


def print_table(found: Matrix, language: Language) -> None:
    """Print coverage, verdicts and a line for each row."""
    counts = ", ".join(f"{count} {name.replace('-', ' ')}" for name, count in found.coverage.items())
    print(f"coverage of {len(found.rows)} requirements: {counts}")
    print(", ".join(f"{count} {name.replace('-', ' ')}" for name, count in found.verdicts.items()))
    order = ("fail", "not-measured", "pass")
    table(
        f"Conformity of site {found.site} by the evidence of {found.evidence_time}",
        ("requirement", "asks", "coverage", "verdict", "why"),
        [
            (row.id, row.text[language].replace("[", r"\["), row.coverage, row.verdict, row.reason.replace("[", r"\["))
            for row in sorted(found.rows, key=lambda row: order.index(row.verdict))
        ],
    )
