"""What the server's OpenAPI document says holds, and nothing that is sent gets a 5xx.

Schemathesis reads the document and searches: first what each schema's edges suggest, then at random.
PORTOLAN_FUZZ_SECONDS says for how long; docs/how-to/fuzz-the-server.md has a longer run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

from risk_service import Running

HERE = Path(__file__).resolve().parent
SECONDS = os.environ.get("PORTOLAN_FUZZ_SECONDS")
EXAMPLES = 10  # of an operation, where no time is given
CONFIGURATION = HERE / "schemathesis.toml"


def test_the_server_keeps_its_own_document(guarded: Running, tmp_path: Path) -> None:
    budget = ["--max-time", SECONDS] if SECONDS else ["--max-examples", str(EXAMPLES), "--generation-deterministic"]
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    command += ["--config-file", str(CONFIGURATION), "run", f"{guarded.url}/openapi.json"]
    command += ["--tls-verify", str(guarded.authority)]
    command += ["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--request-timeout", "30"]
    command += ["--warnings", "off", *budget]
    environment = {**os.environ, "PORTOLAN_FUZZ_TOKEN": guarded.token}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_document_is_one_and_names_every_path(guarded: Running) -> None:
    with guarded.client() as client:
        document = client.get("/openapi.json").raise_for_status().json()
        for path, operations in document["paths"].items():
            for method in operations:
                answer = client.request(method, path.replace("{version}", "0"), json={})
                assert answer.status_code != 405, path
                assert str(answer.status_code) in operations[method]["responses"], (path, answer.status_code)
    assert document["openapi"].startswith("3.1")
    Draft202012Validator.check_schema(document["components"]["schemas"]["Record"])
