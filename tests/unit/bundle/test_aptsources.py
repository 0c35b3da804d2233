"""The machine's apt sources are read in both formats and narrowed to the suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from portolan.bundle.aptsources import for_release, machine_sources, parse_deb822, parse_one_line, with_backports
from portolan.bundle.lock import load_lock
from portolan.errors import PortolanError

DEBIAN = load_lock().debian


def test_deb822_stanza_is_read_with_comments_and_folded_lines() -> None:
    text = """# made by the installer
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
# a comment in between
Signed-By: /usr/share/keyrings/a.gpg
"""
    (source,) = parse_deb822(text)
    assert source.uris == ("http://mirror.example/debian",)
    assert source.suites == ("bookworm", "bookworm-updates")
    assert source.signed_by == "/usr/share/keyrings/a.gpg"


def test_disabled_and_source_only_stanzas_are_left_out() -> None:
    assert parse_deb822("Types: deb\nEnabled: no\nURIs: http://m\nSuites: bookworm\nComponents: main\n") == []
    assert parse_deb822("Types: deb-src\nURIs: http://m\nSuites: bookworm\nComponents: main\n") == []


def test_one_line_source_is_read_with_options() -> None:
    sources = parse_one_line(
        "# deb http://old bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main contrib # ours\n"
        "deb-src http://m/debian bookworm main\n"
        "deb [trusted=yes] file:/srv ./\n"
    )
    assert [source.uris[0] for source in sources] == ["http://m/debian", "file:/srv"]
    assert sources[0].components == ("main", "contrib")
    assert sources[0].signed_by == "/k.gpg"
    assert sources[1].trusted


def test_other_vendors_and_other_releases_are_left_out() -> None:
    sources = parse_one_line(
        "deb http://m/debian bookworm main\n"
        "deb http://m/security bookworm-security main\n"
        "deb http://m/debian bookworm-backports main\n"
        "deb http://m/debian trixie main\n"
        "deb http://vendor/apt nodistro main\n"
    )
    kept = for_release(sources, DEBIAN)
    assert [source.suites for source in kept] == [("bookworm",), ("bookworm-security",)]
    assert all(source.signed_by == DEBIAN.default_keyring for source in kept)


def test_a_machine_without_a_source_of_the_release_is_refused_with_the_remedy() -> None:
    with pytest.raises(PortolanError) as refused:
        for_release(parse_one_line("deb http://archive/ubuntu noble main"), DEBIAN)
    assert f"Debian {DEBIAN.suite}" in refused.value.what
    assert "sources.list.d" in refused.value.remedy


def test_both_formats_below_one_directory_are_found(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://one/debian bookworm main\n")
    (tmp_path / "sources.list.d" / "two.sources").write_text(
        "Types: deb\nURIs: http://two/debian\nSuites: bookworm-updates\nComponents: main\n"
    )
    (tmp_path / "sources.list.d" / "three.disabled").write_text("deb http://three/debian bookworm main\n")
    assert [source.uris[0] for source in machine_sources(tmp_path)] == ["http://one/debian", "http://two/debian"]


def test_a_stanza_can_be_read_back() -> None:
    (source,) = parse_one_line("deb [signed-by=/k.gpg] http://m/debian bookworm main")
    assert parse_deb822(source.stanza()) == [source]


def test_backports_are_asked_of_the_mirrors_of_the_release_and_of_no_other() -> None:
    kept = for_release(
        parse_one_line("deb http://m/debian bookworm main\ndeb http://m/security bookworm-security main\n"), DEBIAN
    )
    more = with_backports(kept, DEBIAN)[len(kept) :]
    assert [(source.uris, source.suites) for source in more] == [(("http://m/debian",), ("bookworm-backports",))]
    assert [source.signed_by for source in more] == [DEBIAN.default_keyring]
