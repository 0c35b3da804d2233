"""Declarations are read with their line, and the service's refusals reach the user as one clear error."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from portolan.delivery import card
from portolan.delivery.score import read_declarations, score_declarations
from portolan.errors import PortolanError


@pytest.fixture
def refusing_service() -> Iterator[str]:
    """A real HTTP server that refuses every request as the predictor does a bad field."""

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps({"error": "hs6_code: 'abc' is no code"}).encode()
            self.send_response(422)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_shipped_example_has_five_declarations_with_codes_kept_as_text() -> None:
    declarations = read_declarations(card.EXAMPLE, limit=20)

    assert len(declarations) == 5
    assert declarations[0]["hs6_code"] == "090111"
    assert declarations[0]["net_mass"] == 18000.0


def test_labels_are_not_sent(tmp_path: Path) -> None:
    file = tmp_path / "labelled.csv"
    file.write_text("Declaration ID,Net Mass,Fraud\n7,1.5,1\n")

    assert read_declarations(file, limit=1) == [{"declaration_id": "7", "net_mass": 1.5}]


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ("", "bad.csv", "no declaration"),
        ("Declaration ID,Net Mass\n1,2.0\n2,heavy\n", "bad.csv:3", "'heavy', not a number"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, content: str, where: str, what: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)

    with pytest.raises(PortolanError) as refused:
        read_declarations(file, limit=5)

    assert refused.value.where.endswith(where)
    assert what in refused.value.what


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PortolanError, match=r"absent\.csv"):
        read_declarations(tmp_path / "absent.csv", limit=5)


def test_a_refusal_of_the_service_is_passed_on(refusing_service: str) -> None:
    with pytest.raises(PortolanError) as refused:
        score_declarations(refusing_service, [{"hs6_code": "abc"}])

    assert "422" in refused.value.what
    assert "hs6_code" in refused.value.what


def test_a_service_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portolan.delivery.score.ATTEMPTS", 1)

    with pytest.raises(PortolanError) as refused:
        score_declarations("http://127.0.0.1:9", [{}])

    assert "does not answer" in refused.value.what
