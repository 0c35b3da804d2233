"""What is wrong with a site file is told with its file, line, key, and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from portolan.errors import PortolanError
from portolan.sites import load_site

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


def expected(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_site_file_gets_one_error_that_names_the_place_and_the_remedy(path: Path) -> None:
    fragments = expected(path)
    assert fragments, f"{path.name} says nothing about what is expected"

    with pytest.raises(PortolanError) as caught:
        load_site(path)

    for fragment in fragments:
        assert fragment in str(caught.value)
    assert caught.value.remedy


def test_a_missing_file_is_told_with_the_site_files_nearby(tmp_path: Path) -> None:
    (tmp_path / "harbour.yaml").touch()
    with pytest.raises(PortolanError, match=r"no such site file(.|\n)*harbour\.yaml"):
        load_site(tmp_path / "harbor.yaml")


def test_a_missing_file_with_none_nearby_is_told_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(PortolanError, match=r"no such site file(.|\n)*sites/sandbox\.yaml"):
        load_site(tmp_path / "harbour.yaml")


def test_a_directory_is_no_site_file(tmp_path: Path) -> None:
    (tmp_path / "harbour.yaml").touch()
    with pytest.raises(PortolanError, match=r"is a directory(.|\n)*harbour\.yaml"):
        load_site(tmp_path)


def test_a_path_through_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PortolanError, match="cannot be read"):
        load_site(tmp_path / "file" / "harbour.yaml")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_told_apart_from_a_wrong_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "harbour.yaml"
    path.write_text(text)
    with pytest.raises(PortolanError, match="the file is empty"):
        load_site(path)


def test_a_file_in_another_encoding_is_told_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "harbour.yaml"
    path.write_bytes("name: harbour\ndescription: un été\n".encode("latin-1"))
    with pytest.raises(PortolanError, match=r"harbour\.yaml:2: is not UTF-8: byte 0xe9"):
        load_site(path)


def test_binary_rubbish_is_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "harbour.yaml"
    path.write_bytes(b"name: \x00\x01\n")
    with pytest.raises(PortolanError, match="not YAML"):
        load_site(path)
