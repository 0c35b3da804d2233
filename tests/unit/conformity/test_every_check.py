"""Every registered check, one by one: its measurement below the target fails, and without its tool nothing passes."""

from __future__ import annotations

import ssl
import subprocess
import threading
from contextlib import contextmanager
from socket import create_server

import pytest

from portolan.conformity import results
from portolan.conformity.probe import ToolRun
from portolan.conformity.registry import CHECKS
from portolan.conformity.verification import verify
from portolan.sizing.plan import Target
from tests.unit.conformity.cases import CASES
from tests.unit.conformity.scenes import answering, world_of

SUBJECTS = {"host": "host/one", "cluster": "cluster", "platform": "platform", "endpoint": "endpoint/risk-scoring"}


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    """Serve TLS on the loopback, with a certificate of its own."""
    place = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=one", "-keyout", str(place / "key"), "-out", str(place / "certificate")]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "certificate", place / "key")

    def serve(listener):
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(plain, server_side=True).close()
            except OSError:
                plain.close()

    with create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def patched(monkeypatch, scene):
    with monkeypatch.context() as change:
        for (owner, name), value in scene.patches.items():
            change.setattr(owner, name, value)
        yield


def verdict(name, case, scene, url, monkeypatch, tools=True):
    check = CHECKS[name]
    target = Target(
        id="t", requirement="R", subject=SUBJECTS[check.scope], check=name, operator=case.operator, value=case.value,
        unit="" if case.operator == "present" else check.unit, statistic=case.statistic,
    )  # fmt: skip
    with patched(monkeypatch, scene):
        (judgement,) = verify(world_of(scene, url, tools), [target], CHECKS)
    return judgement


def judged(name, scene, monkeypatch, encrypted="", tools=True):
    with answering(scene.answers) as url:
        url = encrypted if scene.remembered.get("tls") else url
        return verdict(name, CASES[name], scene, url, monkeypatch, tools)


def test_no_check_escapes():
    assert set(CASES) == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_a_measurement_below_the_target_turns_the_verdict_to_fail(name, monkeypatch, encrypted):
    good = judged(name, CASES[name].good, monkeypatch, encrypted)
    assert good.verdict == "pass", good.explanation
    worse = judged(name, CASES[name].worse, monkeypatch)
    assert worse.verdict == "fail", worse.explanation


@pytest.mark.parametrize("name", CHECKS)
def test_without_its_tool_or_its_service_nothing_passes(name, monkeypatch):
    scene = CASES[name].good
    bare = type(scene)(output=scene.output)  # neither a past measurement nor a patch stands in for the tool
    monkeypatch.setattr(results, "written", lambda name: None)  # nor the record of a scenario that this tree holds
    judgement = judged(name, bare, monkeypatch, tools=False)
    assert judgement.verdict != "pass", judgement.explanation
    assert judgement.explanation


REREAD = [name for name, check in CHECKS.items() if check.reread is not None]


@pytest.mark.parametrize("name", REREAD)
def test_the_value_follows_from_the_output_that_is_kept(name, monkeypatch):
    evidence = judged(name, CASES[name].good, monkeypatch).evidence
    assert evidence.raw
    assert CHECKS[name].reread(evidence.raw, CASES[name].statistic).value == evidence.value


STRANGE = ("", "what is this?", "{}", "[]", "null", '{"lscpu": 3}', '{"jobs": [{}]}', "-1", "Segmentation fault", "0 0")


@pytest.mark.parametrize("name", REREAD)
def test_an_output_that_nobody_knows_never_passes(name, monkeypatch):
    raw = judged(name, CASES[name].good, monkeypatch).evidence.raw
    for strange in STRANGE:
        try:
            run = ToolRun.model_validate_json(raw)
            reading = CHECKS[name].reread(run.model_copy(update={"output": strange}).as_raw(), CASES[name].statistic)
        except ValueError:  # figures and times that are kept without a run: they are refused as they are read
            with pytest.raises((ValueError, TypeError)):
                CHECKS[name].reread(strange or "nothing", CASES[name].statistic)
            break
        assert reading.value is None or (name in MEANT and strange in MEANT[name]), (strange, reading)
        assert reading.reason_not_measured or reading.value is not None


# Words that are strange to all other tools and known to this one.
MEANT: dict[str, tuple[str, ...]] = {}
