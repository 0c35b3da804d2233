"""From a scanner's file to boxes, whatever its size."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from model_server.errors import BadRecordError, ServiceError
from model_server.sealed import SealedModel, read_sealed
from model_server.storage import Folder
from xray_inspection import seal
from xray_inspection.detector import Detector, Settings, of_boxes, one_box_each
from xray_inspection.export import to_onnx
from xray_inspection.images import attenuation, decode
from xray_inspection.network import Network, loss_gradient
from xray_inspection.served import XrayModel
from xray_inspection.synthetic import CLASSES, Drawn, draw
from xray_inspection.tiles import tiles
from xray_inspection.train import learn, matches


def encoded(pixels: Any, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def test_most_objects_of_a_large_scan_are_found(xray: XrayModel, scan: Drawn) -> None:
    found = xray.detector.detect(attenuation(scan.pixels))
    right, _, missed = matches(found, scan)
    assert right + missed == 8
    assert right >= 5


def test_tiles_give_what_the_whole_image_gives(model: Path, scan: Drawn) -> None:
    sealed = read_sealed(Folder(model))
    content = sealed.files["detector.onnx"]
    settings = Settings.from_json(sealed.files["detector.json"])
    whole = Detector(content, Settings(settings.kind, settings.classes, settings.threshold, 2048, 0))
    small = Detector(content, Settings(settings.kind, settings.classes, settings.threshold, 256, 96))
    image = attenuation(scan.pixels)
    ours, theirs = small.detect(image), whole.detect(image)
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert one.kind == other.kind
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.box == pytest.approx(other.box, abs=0.01)


@pytest.mark.parametrize(("width", "height"), [(32, 32), (512, 512), (513, 40), (1100, 620), (5000, 1300)])
def test_every_point_is_inside_exactly_one_tile(width: int, height: int) -> None:
    covered = np.zeros((height, width), dtype=np.int8)
    for tile in tiles(width, height, 512, 64, 8):
        left, top, right, bottom = tile.inside
        covered[top:bottom, left:right] += 1
        assert tile.left <= left
        assert tile.right >= right
        assert tile.left % 8 == 0
    assert (covered == 1).all()


def test_the_onnx_file_says_what_the_network_says() -> None:
    network = Network.fresh(2, 5)
    image = np.random.default_rng(1).random((1, 1, 64, 96)).astype(np.float32)
    head, _ = network.forward(image)
    session = onnxruntime.InferenceSession(to_onnx(network), providers=["CPUExecutionProvider"])
    centres, geometry = session.run(["centres", "geometry"], {"attenuation": image})
    assert np.allclose(centres, 1 / (1 + np.exp(-head[:, :2])), atol=1e-5)
    assert np.allclose(geometry, head[:, 2:], atol=1e-4)


def test_the_gradient_is_that_of_the_loss() -> None:
    network = Network.fresh(2, 1)
    generator = np.random.default_rng(3)
    image = generator.normal(size=(1, 1, 32, 32))
    wanted = (generator.random((1, 2, 4, 4)) < 0.2).astype(float)
    geometry = generator.normal(size=(1, 4, 4, 4))
    network.weights = [one.astype(float) for one in network.weights]
    head, kept = network.forward(image)
    _, gradient = loss_gradient(head, wanted, geometry, 2)
    by_weight, _ = network.backward(image, kept, gradient)
    for layer, weights in enumerate(network.weights):
        place = tuple(int(generator.integers(0, side)) for side in weights.shape)
        losses = []
        for step in (1e-5, -2e-5):
            weights[place] += step
            losses.append(loss_gradient(network.forward(image)[0], wanted, geometry, 2)[0])
        weights[place] += 1e-5
        assert by_weight[layer][place] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-3, abs=1e-6)


def test_a_training_gives_the_same_file_twice() -> None:
    assert to_onnx(learn(1, 5, 32)) == to_onnx(learn(1, 5, 32))
    assert to_onnx(learn(1, 5, 32)) != to_onnx(learn(2, 5, 32))


def test_a_file_in_json_and_a_binary_tensor_give_the_same_answer(xray: XrayModel, png: bytes) -> None:
    text = base64.b64encode(png).decode()
    records = [{"image": png}, {"image": text}, {"image": {"b64": text}}]
    answers = [xray.answer([xray.read(record, "instances[0]")], None)[0] for record in records]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["width"] == 1100
    assert answers[0]["outcome"] == "marked"


def test_sixteen_and_eight_bits_show_the_same_scan(scan: Drawn, png: bytes) -> None:
    fine, coarse = decode(png, "image"), decode(encoded((scan.pixels * 255).astype(np.uint8)), "image")
    assert np.abs(fine - coarse).max() < 0.02


def test_an_empty_scan_is_clear(xray: XrayModel) -> None:
    blank = encoded(np.full((200, 300), 250, dtype=np.uint8))
    assert xray.answer([xray.read({"image": blank}, "instances[0]")], None)[0]["outcome"] == "clear"


def test_one_object_gets_one_box() -> None:
    boxes = [np.array([0.0, 0, 10, 10]), np.array([1.0, 0, 11, 10]), np.array([40.0, 0, 50, 10])]
    kept = one_box_each([(0, 0.8, boxes[0]), (0, 0.9, boxes[1]), (0, 0.7, boxes[2]), (1, 0.6, boxes[0])])
    assert [(kind, score) for kind, score, _ in kept] == [(0, 0.9), (0, 0.7), (1, 0.6)]


def test_boxes_of_another_export_are_understood() -> None:
    answers = {"boxes": [[0, 0, 4, 4], [1, 1, 2, 2]], "scores": [0.9, 0.2], "labels": [1, 0]}
    assert [(kind, score) for kind, score, _ in of_boxes(answers, 0.5)] == [(1, 0.9)]


def test_what_it_runs_on_is_told(xray: XrayModel) -> None:
    expected = ("CUDAExecutionProvider", "CPUExecutionProvider")
    there = onnxruntime.get_available_providers()
    assert xray.details["provider"] == next(one for one in expected if one in there)


CARD = {
    "version": "1",
    "title": {"en": "Ours", "fr": "Le nôtre"},
    "use": {"en": "x", "fr": "x"},
    "limits": {"en": "x", "fr": "x"},
    "data": [],
    "figures": [],
}


def test_a_detector_of_ones_own_takes_the_place(model: Path, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    arguments = ["--onnx", str(model / "detector.onnx"), "--kind", "centres", "--classes", *CLASSES]
    arguments += ["--threshold", "0.5", "--tile", "512", "--overlap", "64", "--card", str(tmp_path / "card.json")]
    assert seal.main([*arguments, "--output", str(tmp_path / "sealed")]) == 0
    again = XrayModel(read_sealed(Folder(tmp_path / "sealed")))
    assert again.details["threshold"] == 0.5
    assert (tmp_path / "sealed" / "card.fr.md").read_text().startswith("# Le nôtre")


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"--kind": "boxes"}, "no output 'boxes'"),
        ({"--threshold": "7"}, "threshold: 7.0"),
        ({"--tile": "100"}, "tile: 100"),
        ({"--onnx": "card.json"}, "cannot be loaded"),
        ({"--card": "poor.json"}, "no 'use'"),
        ({"--card": "english.json"}, "no text in fr"),
    ],
)
def test_nothing_is_sealed_that_cannot_be_used(
    model: Path, tmp_path: Path, changed: dict[str, str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    (tmp_path / "poor.json").write_text(json.dumps({"version": "1", "title": {"en": "x", "fr": "x"}}))
    (tmp_path / "english.json").write_text(json.dumps({**CARD, "use": {"en": "x"}}))
    given = {"--onnx": str(model / "detector.onnx"), "--kind": "centres", "--threshold": "0.5", "--tile": "512"}
    given |= {"--overlap": "64", "--card": str(tmp_path / "card.json"), "--output": str(tmp_path / "sealed")}
    given |= {key: str(tmp_path / value) if value.endswith(".json") else value for key, value in changed.items()}
    flat = [part for pair in given.items() for part in pair]
    assert seal.main([*flat, "--classes", *CLASSES]) == 2
    assert what in capsys.readouterr().err
    assert not (tmp_path / "sealed").exists()


BAD: dict[str, tuple[Any, str]] = {
    "no-object": ("image", "no image alone"),
    "field-besides": ({"image": "", "view": 1}, "no image alone"),
    "no-base64": ({"image": "!!!"}, "no base64"),
    "empty": ({"image": b""}, "no bytes"),
    "a-number": ({"image": 3}, "no bytes"),
    "no-image": ({"image": b"not a picture"}, "no readable image"),
    "cut-off": ({"image": encoded(np.full((64, 64), 9, np.uint8))[:60]}, "no readable image"),
    "a-gif": ({"image": encoded(np.full((64, 64), 9, np.uint8), "GIF")}, "no readable image"),
    "too-small": ({"image": encoded(np.full((8, 64), 9, np.uint8))}, "at least 32"),
    "black": ({"image": encoded(np.zeros((64, 64), np.uint8))}, "black all over"),
    "too-large": ({"image": encoded(np.zeros((8001, 8001), np.uint8))}, "at most 64 million"),
}


@pytest.mark.parametrize(("record", "what"), BAD.values(), ids=BAD)
def test_a_bad_image_is_refused(xray: XrayModel, record: Any, what: str) -> None:
    with pytest.raises(BadRecordError, match=what):
        xray.read(record, "instances[0]")


def test_files_of_another_model_are_refused() -> None:
    with pytest.raises(ServiceError, match=r"xray_inspection\.seal"):
        XrayModel(SealedModel({"peers.json": b"{}"}, {}, "0" * 64))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_card_says_not_to_inspect_with_it(model: Path, language: str) -> None:
    page = (model / f"card.{language}.md").read_text()
    assert {"en": "Do not inspect with this model", "fr": "Ne pas contrôler avec ce modèle"}[language] in page


def test_drawn_images_are_the_same_twice() -> None:
    assert np.array_equal(draw(96, 96, 2, 7).pixels, draw(96, 96, 2, 7).pixels)
