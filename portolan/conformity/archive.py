"""Evidence read back: whole, unchanged and signed, or refused with the line that is wrong; then judged again.

Nothing is measured here. Where the tool's output was kept, the value must follow from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from portolan.conformity.check import Check, Reading
from portolan.conformity.evidence import Evidence, Judgement
from portolan.conformity.judge import judge
from portolan.conformity.ledger import BEGINNING, DIGEST, EVIDENCE, RESUMED, SCHEMA_VERSION, SIGNATURE
from portolan.conformity.signing import key_path, public_text, signature_holds, signing_key
from portolan.conformity.verification import CLOCK_DRIFT, CLOCK_JUMP_SECONDS
from portolan.errors import PortolanError
from portolan.sizing.plan import Target

AGAIN = "take the folder as it was written, or measure again: portolan verify SITE"
OWN_FIELDS = ("previous", "elapsed_seconds")


@dataclass(frozen=True)
class Kept:
    """A run of the past: its header and its judgements as they were written."""

    folder: Path
    header: Mapping[str, Any]
    judgements: tuple[Judgement, ...]

    @property
    def time(self) -> str:
        """Return when the run began."""
        return str(self.header.get("time", ""))


def latest(parent: Path) -> Path:
    """Return the folder of a run: the one given, or the newest complete one below it.

    Raises PortolanError where there is none.
    """
    if (parent / EVIDENCE).is_file():
        return parent
    complete = sorted(path.parent for path in parent.glob(f"*/{SIGNATURE}")) if parent.is_dir() else []
    if not complete:
        raise PortolanError(str(parent), "no complete evidence there", "run: portolan verify SITE")
    return complete[-1]


def read_evidence(folder: Path, checks: Mapping[str, Check], public_key: str | None = None) -> Kept:
    """Return a run's evidence.

    Raises PortolanError where a line was changed, taken out or added, where the signature is not that of the site's
    key (or of `public_key`), where a value does not follow from the output that was kept, and where the clock jumped.
    """
    path = folder / EVIDENCE
    try:
        lines = path.read_bytes().splitlines(keepends=True)
        signed = json.loads((folder / SIGNATURE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PortolanError(
            str(error.filename), "is not there: the run was stopped, or evidence is missing", AGAIN
        ) from None
    except (OSError, ValueError) as error:
        raise PortolanError(str(folder), f"cannot be read: {error}", AGAIN) from None
    documents = _chained(path, lines)
    header = documents[0]
    if header.get("schema_version") != SCHEMA_VERSION:
        found = header.get("schema_version", "none")
        raise PortolanError(f"{path}:1", f"schema version {found}, this is {SCHEMA_VERSION}", "judge it with its kit")
    _check_signature(folder, b"".join(lines), len(lines), signed, public_key or _own_key(str(header.get("site", ""))))
    return Kept(folder, header, _judgements(path, documents, checks))


def _judgements(path: Path, documents: Sequence[dict[str, Any]], checks: Mapping[str, Check]) -> tuple[Judgement, ...]:
    """Return the judgements of a run, each checked; where a run went on and looked again, the later one holds."""
    found: dict[str, Judgement] = {}
    for number, document in enumerate(documents[1:], start=2):
        if RESUMED in document:
            continue
        try:
            kept = Judgement.model_validate({k: v for k, v in document.items() if k not in OWN_FIELDS})
        except ValidationError as error:
            raise PortolanError(f"{path}:{number}", f"no judgement: {error.errors()[0]['msg']}", AGAIN) from None
        _check_raw(f"{path}:{number}", kept, checks.get(kept.target.check))
        _check_time(f"{path}:{number}", documents[0], document, kept.evidence)
        found[kept.target.id] = kept
    return tuple(found.values())


def stopped_run(parent: Path, header: Mapping[str, Any], checks: Mapping[str, Check]) -> Kept:
    """Return the newest run below a folder that was stopped: the same site file, depth and choice as `header` says.

    A last line that was cut off as the run was killed is taken away; it holds no judgement. Raises PortolanError where
    there is no such run.
    """
    alike = ("site", "site_digest", "depth", "only", "portolan")
    folders = sorted((path.parent for path in parent.glob(f"*/{EVIDENCE}")), reverse=True) if parent.is_dir() else []
    for folder in folders:
        if (folder / SIGNATURE).is_file():
            continue
        path = folder / EVIDENCE
        whole = path.read_bytes()
        lines = whole.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
            path.write_bytes(b"".join(lines))
        if not lines:
            continue
        documents = _chained(path, lines)
        if all(documents[0].get(name) == header[name] for name in alike):
            return Kept(folder, documents[0], _judgements(path, documents, checks))
    raise PortolanError(
        str(parent), "no run of this site file, depth and choice was stopped there", "begin one, without --resume"
    )


def _chained(path: Path, lines: Sequence[bytes]) -> list[dict[str, Any]]:
    previous, documents = BEGINNING, []
    for number, line in enumerate(lines, start=1):
        try:
            document = json.loads(line)
        except ValueError:
            raise PortolanError(f"{path}:{number}", "not JSON: the line was cut off or changed", AGAIN) from None
        if not isinstance(document, dict) or document.get("previous") != previous:
            raise PortolanError(f"{path}:{number}", "does not follow on the line before it: evidence was edited", AGAIN)
        previous = hashlib.sha256(line).hexdigest()
        documents.append(document)
    if not documents:
        raise PortolanError(str(path), "is empty", AGAIN)
    return documents


def _own_key(site: str) -> str:
    path = key_path(site)
    if not path.is_file():
        raise PortolanError(
            str(path),
            f"the key that signs the evidence of site {site!r} is not here",
            "give its public key: --public-key",
        )
    return public_text(signing_key(site).public_key())


def _check_signature(folder: Path, whole: bytes, count: int, signed: Any, trusted: str) -> None:
    digest = hashlib.sha256(whole).hexdigest()
    if not isinstance(signed, dict) or signed.get("sha256") != digest or signed.get("lines") != count:
        raise PortolanError(
            str(folder / EVIDENCE), "its digest is not the one that was signed: evidence was edited", AGAIN
        )
    if signed.get("public_key") != trusted:
        raise PortolanError(str(folder / SIGNATURE), "is by another key than the site's", AGAIN)
    if not signature_holds(trusted, str(signed.get("signature", "")), digest.encode()):
        raise PortolanError(str(folder / SIGNATURE), "the signature does not hold: evidence was edited", AGAIN)
    kept = (folder / DIGEST).read_text(encoding="utf-8").split() if (folder / DIGEST).is_file() else []
    if kept and kept[0] != digest:
        raise PortolanError(str(folder / DIGEST), "is not the digest of the evidence", AGAIN)


def _check_raw(where: str, kept: Judgement, check: Check | None) -> None:
    evidence = kept.evidence
    if check is None or check.reread is None or not evidence.raw or evidence.value is None:
        return
    try:
        again: Reading = check.reread(evidence.raw, kept.target.statistic)
    except ValueError:
        raise PortolanError(where, "the tool's output that was kept is no run of it", AGAIN) from None
    if again.value != evidence.value:
        what = f"says {evidence.value}, and the output that was kept gives {again.value}: evidence was edited"
        raise PortolanError(where, what, AGAIN)


def _check_time(where: str, header: Mapping[str, Any], document: Mapping[str, Any], evidence: Evidence) -> None:
    """Evidence whose clock jumped is told from evidence that is whole by the seconds that passed in the meantime."""
    if evidence.reason_not_measured:
        return
    passed = (datetime.fromisoformat(evidence.time) - datetime.fromisoformat(str(header["time"]))).total_seconds()
    elapsed = float(document["elapsed_seconds"])
    # Hosts are knocked at between the header's time and the ledger's beginning: that takes a minute at most.
    if not -CLOCK_JUMP_SECONDS - elapsed * CLOCK_DRIFT <= passed - elapsed <= 60 + CLOCK_JUMP_SECONDS:
        what = f"{passed:.0f} s after the run began by the clock, {elapsed:.0f} s by elapsed time: the clock jumped"
        raise PortolanError(where, what, "measure again")


def judge_again(targets: Sequence[Target], kept: Kept) -> tuple[Judgement, ...]:
    """Return a judgement for each target from the evidence of a past run; what it does not hold is not measured."""
    found = {
        (entry.target.check, entry.target.subject, entry.target.statistic): entry.evidence for entry in kept.judgements
    }
    return tuple(
        judge(
            target,
            found.get((target.check, target.subject, target.statistic))
            or Evidence(
                value=None,
                unit=target.unit,
                method="",
                host="",
                time=kept.time,
                reason_not_measured=f"the run of {kept.time} did not look (depth {kept.header.get('depth', '?')})",
            ),
        )
        for target in targets
    )
