"""The matrix for people and programs: table, JSON, CSV, HTML, JUnit, OSCAL assessment results, and the certificate."""

from __future__ import annotations

import csv
import io
import json
import uuid
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from portolan import __version__
from portolan.conformity.judge import show
from portolan.conformity.matrix import Matrix, MatrixRow
from portolan.conformity.wording import reason_in

TEMPLATES = Path(__file__).parent / "templates"
COLUMNS = ("id", "section", "component", "text", "kind", "level", "plan", "deploys", "checks", "coverage", "verdict",
           "reason", "evidence")  # fmt: skip
OSCAL_VERSION = "1.1.2"
# Objects of OSCAL are named by UUIDs; these follow from what they name: the same matrix gives the same document.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "portolan.dev")


def measured(row: MatrixRow) -> list[str]:
    """Return a line for each target of a row: what was found, where, by what, when."""
    lines = []
    for entry in row.judgements:
        evidence = entry.evidence
        value = "" if evidence.value is None else f" {show(evidence.value, evidence.unit)},"
        lines.append(
            f"{entry.verdict}: {entry.target.check} on {entry.target.subject},{value} {evidence.host} {evidence.time}"
        )
    return lines


def as_json(matrix: Matrix) -> str:
    """Return the JSON document; coverage stands first."""
    document = {"coverage": matrix.coverage, "verdicts": matrix.verdicts, **matrix.model_dump(mode="json")}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_csv(matrix: Matrix, language: str) -> str:
    """Return a line for each row. A cell that a spreadsheet would take for a formula gets an apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in matrix.rows:
        cells = [row.id, row.section, row.component, row.text[language], row.kind, row.level, "\n".join(row.plan),
                 "\n".join(row.deploys), "\n".join(row.checks), row.coverage, row.verdict,
                 reason_in(row.reason, language), "\n".join(measured(row))]  # fmt: skip
        writer.writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell for cell in cells])
    return stream.getvalue()


def as_html(matrix: Matrix, language: str) -> str:
    """Return one self-contained page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    words = _words(language)
    return environment.get_template("matrix.html").render(
        matrix=matrix, words=words, language=language, show=show, reason_in=reason_in, version=__version__
    )


def _words(language: str) -> dict[str, str]:
    found: dict[str, dict[str, str]] = json.loads((TEMPLATES / "words.json").read_text(encoding="utf-8"))
    return {name: texts[language] for name, texts in found.items()}


def as_junit(matrix: Matrix) -> str:
    """Return a JUnit document: a test case a row, not measured as skipped with its reason."""
    counts = matrix.verdicts
    suite = ElementTree.Element(
        "testsuite", name=f"conformity of {matrix.site}", tests=str(len(matrix.rows)), failures=str(counts["fail"]),
        errors="0", skipped=str(counts["not-measured"]), timestamp=matrix.evidence_time.rstrip("Z"),
    )  # fmt: skip
    for row in matrix.rows:
        case = ElementTree.SubElement(suite, "testcase", classname=f"section-{row.section}", name=row.id)
        if row.verdict == "fail":
            ElementTree.SubElement(case, "failure", message=row.reason).text = row.text["en"]
        elif row.verdict == "not-measured":
            ElementTree.SubElement(case, "skipped", message=row.reason)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def as_oscal(matrix: Matrix) -> str:
    """Return OSCAL assessment results of the rows of kind security."""

    def identity(name: str) -> str:
        return str(uuid.uuid5(NAMESPACE, f"{matrix.site}/{matrix.evidence_time}/{name}"))

    rows = [row for row in matrix.rows if row.kind == "security"]
    observations = [
        {
            "uuid": identity(f"observation/{row.id}/{number}"),
            "description": f"{entry.target.check} on {entry.target.subject}: {entry.explanation}",
            "methods": ["TEST" if entry.evidence.ground == "measured" else "EXAMINE"],
            "collected": entry.evidence.time,
        }
        for row in rows
        for number, entry in enumerate(row.judgements)
        if entry.verdict != "not-measured"
    ]
    findings = [_finding(row, identity) for row in rows]
    result: dict[str, Any] = {
        "uuid": identity("result"),
        "title": f"Verification at depth {matrix.evidence_depth}",
        "description": f"Evidence of SHA-256 {matrix.evidence_sha256}",
        "start": matrix.evidence_time,
        "reviewed-controls": {
            "control-selections": [{"include-controls": [{"control-id": row.id.lower()} for row in rows]}]
        },
        "findings": findings,
    }
    if observations:
        result["observations"] = observations
    document = {
        "assessment-results": {
            "uuid": identity("results"),
            "metadata": {
                "title": f"Conformity of site {matrix.site}: security",
                "last-modified": matrix.evidence_time,
                "version": __version__,
                "oscal-version": OSCAL_VERSION,
            },
            "import-ap": {"href": "#verification"},
            "results": [result],
        }
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _finding(row: MatrixRow, identity: Any) -> dict[str, Any]:
    """OSCAL knows satisfied and not-satisfied only: what was not measured is not satisfied, and the reason says so."""
    status: dict[str, Any] = {"state": "satisfied" if row.verdict == "pass" else "not-satisfied"}
    if row.verdict != "pass":
        status |= {"reason": "fail" if row.verdict == "fail" else "other", "remarks": row.reason}
    finding: dict[str, Any] = {
        "uuid": identity(f"finding/{row.id}"),
        "title": row.id,
        "description": row.text["en"],
        "target": {"type": "objective-id", "target-id": row.id.lower(), "status": status},
    }
    related = [
        {"observation-uuid": identity(f"observation/{row.id}/{number}")}
        for number, entry in enumerate(row.judgements)
        if entry.verdict != "not-measured"
    ]
    if related:
        finding["related-observations"] = related
    return finding


def as_pdf(matrix: Matrix, language: str) -> bytes:
    """Return the acceptance certificate; the same matrix gives the same bytes."""
    import typst

    words = _words(language)
    data = {
        "words": words,
        "language": language,
        "site": matrix.site,
        "tier": matrix.tier,
        "topology": matrix.topology,
        "time": matrix.evidence_time,
        "depth": matrix.evidence_depth,
        "sha256": matrix.evidence_sha256,
        "version": __version__,
        "coverage": matrix.coverage,
        "verdicts": matrix.verdicts,
        "rows": [
            {
                "id": row.id,
                "text": row.text[language],
                "checks": ", ".join(row.checks),
                "coverage": row.coverage,
                "verdict": row.verdict,
                "reason": words.get(row.reason, reason_in(row.reason, language)),
            }
            for row in matrix.rows
        ],
    }
    source = TEMPLATES / "certificate.typ"
    pdf: bytes = typst.compile(
        str(source), sys_inputs={"data": json.dumps(data, ensure_ascii=False)}, ignore_system_fonts=True
    )
    return pdf
