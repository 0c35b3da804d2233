"""Training reads from and writes to a real S3 object store (SeaweedFS, where the bundle has it), and logs go there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from model_server import segments
from model_server.errors import ServiceError
from model_server.sealed import read_sealed
from model_server.storage import Folder, open_store
from risk_scoring import train
from risk_service import MODEL, Running, serving

ADMINISTRATOR = {"accessKey": "administrator", "secretKey": "a-secret-of-this-test-alone"}
TRAINING = {"accessKey": "training", "secretKey": "another-secret-of-this-test-alone"}
DECISIONS = {"accessKey": "decisions", "secretKey": "a-third-secret-of-this-test-alone"}
ACTIONS = [f"{action}:{bucket}" for bucket in ("declarations", "models") for action in ("Read", "Write", "List")]


def _program() -> str | None:
    cache = Path(os.environ.get("PORTOLAN_CACHE") or Path.home() / ".cache" / "portolan")
    bundled = cache / "bundle" / "bin" / "seaweedfs"
    return str(bundled) if bundled.is_file() else shutil.which("weed")


def _free_ports(count: int) -> list[int]:
    """Free ports below 22000: SeaweedFS takes each port's number plus 10000 for gRPC as well."""
    found: list[int] = []
    for port in range(15000 + os.getpid() % 5000, 22000):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10000))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an object store on the loopback with the buckets `declarations` and `models`."""
    program = _program()
    if program is None:
        pytest.skip("no SeaweedFS: portolan bundle build --only seaweedfs")
    folder = tmp_path_factory.mktemp("weed")
    identities = [
        {"name": "administrator", "credentials": [ADMINISTRATOR], "actions": ["Admin"]},
        {"name": "training", "credentials": [TRAINING], "actions": ACTIONS},
        {"name": "decisions", "credentials": [DECISIONS], "actions": ["Write:decisions"]},
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    master, volume, filer, s3 = _free_ports(4)
    process = subprocess.Popen(
        [
            program,
            "server",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-master.port={master}",
            "-master.volumeSizeLimitMB=64",
            "-master.volumePreallocate=false",
            f"-volume.port={volume}",
            "-volume.max=100",
            "-volume.preStopSeconds=1",
            f"-filer.port={filer}",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.config={folder}/s3.json",
            "-s3.iam=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
        cwd=folder,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{s3}/healthz").status_code == 200:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{s3}"
    finally:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:  # its volume server may wait for its master, which has gone
            process.kill()
            process.wait()


@pytest.fixture
def credentials(object_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that a training pod has."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", TRAINING["accessKey"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", TRAINING["secretKey"])
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("credentials")
def test_a_model_trained_in_the_object_store_is_that_trained_from_files(data: Path, model: Path) -> None:
    import boto3

    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id=ADMINISTRATOR["accessKey"],
        aws_secret_access_key=ADMINISTRATOR["secretKey"],
    )
    for bucket in ("declarations", "models"):
        client.create_bucket(Bucket=bucket)
    for name in ("train.csv", "valid.csv"):
        open_store("s3://declarations/").write(name, (data / name).read_bytes())
    output = "s3://models/risk-scoring/1/"
    for _ in range(2):  # a training that is run again leaves a whole model too
        assert train.run(["--data", "s3://declarations/", "--output", output, "--local", "--seeds", "1"]) == 0
    assert read_sealed(open_store(output)).digest == read_sealed(Folder(model)).digest
    names = {one["Key"] for one in client.list_objects_v2(Bucket="models")["Contents"]}
    files = ("model.txt", "features.json", "card.json", "card.en.md", "card.fr.md", "MANIFEST.json")
    assert names == {f"risk-scoring/1/{name}" for name in files}


@pytest.mark.usefixtures("credentials")
def test_what_is_not_there_is_named_with_the_remedy() -> None:
    with pytest.raises(ServiceError, match=r"s3://nowhere/train\.csv: .*AWS_ENDPOINT_URL"):
        open_store("s3://nowhere/").read("train.csv")


@pytest.fixture
def log(object_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a server whose log is shipped to the bucket `decisions`, where this test alone reads."""
    import boto3

    reader = {"aws_access_key_id": ADMINISTRATOR["accessKey"], "aws_secret_access_key": ADMINISTRATOR["secretKey"]}
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=object_store, **reader)
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket="decisions")
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ADMINISTRATOR["accessKey"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ADMINISTRATOR["secretKey"])
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "key").write_bytes(b"a key of these tests alone")
    (tmp_path / "log").mkdir()
    return {
        "AWS_ACCESS_KEY_ID": DECISIONS["accessKey"],
        "AWS_SECRET_ACCESS_KEY": DECISIONS["secretKey"],
        "MODEL_SERVER_AUDIT_DIR": str(tmp_path / "log"),
        "MODEL_SERVER_AUDIT_KEY_FILE": str(tmp_path / "key"),
        "MODEL_SERVER_AUDIT_STORE": f"s3://decisions/{tmp_path.name}",
        "MODEL_SERVER_AUDIT_SEGMENT_BYTES": "2048",
        "MODEL_SERVER_AUDIT_SHIP_SECONDS": "1",
        "MODEL_SERVER_DRAIN_SECONDS": "0",
    }


def decide(running: Running, count: int) -> set[str]:
    """Record decisions, and return the digests by which they were confirmed."""
    told = {"officer": "4711", "model_digest": "0" * 64, "told": "red", "decision": "red"}
    confirmed = set()
    with running.client() as client:
        for number in range(count):
            answer = client.post(f"/v1/models/{MODEL}/decisions", json={"declaration_id": str(number), **told})
            assert answer.status_code == 201
            confirmed.add(answer.json()["recorded"])
    return confirmed


def shipped(settings: dict[str, str]) -> tuple[int, set[str]]:
    """Return how many entries the store has, and the digests of the last of each log; each is checked by its chain."""
    logs = segments.read([settings["MODEL_SERVER_AUDIT_STORE"]])
    assert [log.begins for log in logs] == [1] * len(logs)
    return sum(log.number for log in logs), {log.last for log in logs}


def kill_all(running: Running) -> None:
    """End a server and its processes at once, as a container ends."""
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    for process in (running.process.pid, *map(int, children)):
        os.kill(process, signal.SIGKILL)
    running.process.wait()


def test_a_log_is_in_the_store_while_its_server_runs_and_whole_when_it_stops(model: Path, log: dict[str, str]) -> None:
    folder = Path(log["MODEL_SERVER_AUDIT_DIR"])
    with serving(model, **log) as running:
        confirmed = decide(running, 40)
        time.sleep(3)
        number, last = shipped(log)
        assert number == 40
        assert last <= confirmed
        # full segments lie in one place only
        assert len(list(folder.iterdir())) == 1
        confirmed = decide(running, 1)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
    assert shipped(log) == (41, confirmed)


def test_what_was_confirmed_outlives_a_server_that_is_killed(model: Path, log: dict[str, str]) -> None:
    with serving(model, **(log | {"MODEL_SERVER_AUDIT_SHIP_SECONDS": "3600"})) as running:
        confirmed = decide(running, 10)
        kill_all(running)
    with serving(model, **log) as running:  # the container's next one finds what the first left
        confirmed |= decide(running, 5)
    number, last = shipped(log)
    assert number == 15
    assert last <= confirmed


def test_a_store_that_is_away_takes_no_decision_with_it(model: Path, log: dict[str, str]) -> None:
    with serving(model, **(log | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"})) as running:
        decide(running, 10)
        deadline = time.monotonic() + 60
        while 'shipping_failures_total{model="risk-scoring"} 0' in running.client().get("/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert sum(one.number for one in segments.read([log["MODEL_SERVER_AUDIT_DIR"]])) == 10


def test_a_server_may_write_its_log_and_nothing_else(log: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", DECISIONS["accessKey"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", DECISIONS["secretKey"])
    store = open_store(f"{log['MODEL_SERVER_AUDIT_STORE']}/")
    store.write("decisions-a.jsonl", b"{}\n")
    for refused in (
        lambda: store.read("decisions-a.jsonl"),
        store.names,
        lambda: open_store("s3://models/").write("risk-scoring", b"{}"),
    ):
        with pytest.raises(ServiceError, match="Access"):
            refused()
