"""A learnt network as ONNX: one input of any size, two outputs."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

from xray_inspection.network import GEOMETRY, LAYERS, Network

OPSET, FORMAT_VERSION = 13, 8
INPUT, CENTRES, GEOMETRIES = "attenuation", "centres", "geometry"


def to_onnx(network: Network) -> bytes:
    """Return the network as an ONNX file; equal networks give equal bytes."""
    nodes: list[Any] = []
    values: list[Any] = []
    name = INPUT
    strides = [*(stride for _, _, stride in LAYERS), 1]
    for i, stride in enumerate(strides):
        values.append(numpy_helper.from_array(network.weights[i], f"weights{i}"))
        values.append(numpy_helper.from_array(network.offsets[i], f"offsets{i}"))
        size = network.weights[i].shape[2]
        pads = [size // 2] * 4
        out = f"layer{i}"
        nodes.append(
            helper.make_node(
                "Conv", [name, f"weights{i}", f"offsets{i}"], [out],
                kernel_shape=[size, size], strides=[stride, stride], pads=pads,
            )
        )  # fmt: skip
        name = out
        if i < len(LAYERS):
            nodes.append(helper.make_node("Relu", [out], [f"active{i}"]))
            name = f"active{i}"
    parts = numpy_helper.from_array(_sizes(network.classes), "parts")
    values.append(parts)
    nodes.append(helper.make_node("Split", [name, "parts"], ["logits", GEOMETRIES], axis=1))
    nodes.append(helper.make_node("Sigmoid", ["logits"], [CENTRES]))
    graph = helper.make_graph(
        nodes,
        "xray-detector",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 1, "height", "width"])],
        [
            helper.make_tensor_value_info(CENTRES, TensorProto.FLOAT, ["n", network.classes, "rows", "columns"]),
            helper.make_tensor_value_info(GEOMETRIES, TensorProto.FLOAT, ["n", GEOMETRY, "rows", "columns"]),
        ],
        values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="portolan")
    model.ir_version = FORMAT_VERSION
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _sizes(classes: int) -> Any:
    import numpy as np

    return np.array([classes, GEOMETRY], dtype=np.int64)
