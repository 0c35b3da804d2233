"""`portolan report` writes all that was asked for, or says what is wrong and leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from portolan.errors import PortolanError
from portolan.paths import REPOSITORY
from portolan.report import publish
from tests.unit.report.conftest import report

STARTER = str(REPOSITORY / "sites" / "onprem-starter.yaml")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from portolan.cli import run; run()", "report", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_all_formats_are_written(tmp_path: Path) -> None:
    done = run(STARTER, "--lang", "fr", "--date", "2026-11-24", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(f"onprem-starter-fr{ending}" for ending, _ in publish.FORMATS.values())
    assert len(done.stdout.split()) == len(names)


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode != 0,
    reason="this machine makes no network namespaces for this user",
)
@pytest.mark.parametrize(
    "arguments",
    [
        ("size", "-o", "json"),
        ("cost", "-o", "csv"),
        ("explain", "bill.hybrid.gpu"),
        ("report", "--format", "pdf,xlsx", "--out", "."),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_works_without_a_network(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    command, *more = arguments
    code = "from portolan.cli import run; run()"
    site = str(REPOSITORY / "sites" / "hybrid.yaml")
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", code, command, site, *more],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((STARTER, "--lang", "de"), "no language 'de'"),
        ((STARTER, "--format", "pdf,odt"), "no format 'odt'"),
        ((STARTER, "--format", ","), "no format is given"),
        ((STARTER, "--date", "24.11.2026"), "'24.11.2026' is not a day"),
        (("no-such-site.yaml",), "no-such-site.yaml"),
    ],
)
def test_bad_input_is_refused_with_a_remedy_and_writes_nothing(
    tmp_path: Path, arguments: tuple[str, ...], what: str
) -> None:
    done = run(*arguments, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert what in done.stderr
    assert "remedy:" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = run(STARTER, "--format", "json", "--out", str(tmp_path / "file" / "out"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "remedy:" in done.stderr


def test_a_renderer_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(publish.FORMATS, "pdf", (".pdf", full))
    with pytest.raises(PortolanError, match="No space left"):
        publish.publish(report("onprem-starter", "en"), ("json", "pdf"), tmp_path)
    assert list(tmp_path.iterdir()) == []
