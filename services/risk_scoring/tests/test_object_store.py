"""Training reads from and writes to a real S3 object store (SeaweedFS, where the bundle has it)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from model_server.errors import ServiceError
from model_server.sealed import read_sealed
from model_server.storage import Folder, open_store
from risk_scoring import train

ADMINISTRATOR = {"accessKey": "administrator", "secretKey": "a-secret-of-this-test-alone"}
TRAINING = {"accessKey": "training", "secretKey": "another-secret-of-this-test-alone"}
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
