"""A graph as an ONNX model."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from pellucid.core.errors import MissingExtra
from pellucid.exporting.graph import Graph, Value, is_whole

OPSET = 20
"""Version of ONNX's operators: one that compares texts, which version 18 does not; ONNX Runtime has it since 1.17."""
IR_VERSION = 9
"""Version of ONNX's file format that came with it."""


def onnx_module() -> Any:
    """The package onnx.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("onnx", "export", "Writing ONNX") from error
    return onnx


def to_onnx(graph: Graph, name: str, facts: Mapping[str, str]) -> Any:
    """Build the model of a graph, checked against ONNX's own rules.

    Args:
        graph: the outermost one.
        name: of the model.
        facts: what is said of it in the file, by key.
    """
    onnx = onnx_module()
    helper = onnx.helper
    model = helper.make_model(
        _graph(onnx, graph, name),
        producer_name="pellucid",
        producer_version=version("pellucid"),
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model, full_check=True)
    return model


def _graph(onnx: Any, graph: Graph, name: str) -> Any:
    nodes = [_node(onnx, node) for node in graph.nodes]
    constants = [onnx.numpy_helper.from_array(_stored(array), label) for label, array in graph.constants.items()]
    return onnx.helper.make_graph(
        nodes,
        name,
        [_info(onnx, value) for value in graph.inputs],
        [_info(onnx, value) for value in graph.outputs],
        constants,
    )


def _stored(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.astype(object) if array.dtype.kind == "U" else array).reshape(array.shape)


def _node(onnx: Any, node: Any) -> Any:
    attributes = {}
    for key, value in node.attributes.items():
        if key == "carried":
            continue
        if isinstance(value, Graph):
            value = _graph(onnx, value, node.name)
        elif isinstance(value, np.dtype):
            value = _type(onnx, value)
        elif isinstance(value, tuple):
            value = list(map(int, value))
        attributes[key] = value
    made = onnx.helper.make_node(node.kind, node.inputs, node.outputs, name=node.name)
    # An empty list has no type that could be guessed.
    made.attribute.extend(
        onnx.helper.make_attribute(key, value) for key, value in sorted(attributes.items()) if value != []
    )
    return made


def _type(onnx: Any, dtype: np.dtype) -> int:
    return onnx.TensorProto.STRING if dtype.kind in "UO" else onnx.helper.np_dtype_to_tensor_dtype(dtype)


def _info(onnx: Any, value: Value) -> Any:
    shape = [int(size) if is_whole(size) else str(size) for size in value.shape]
    return onnx.helper.make_tensor_value_info(value.name, _type(onnx, value.dtype), shape)
