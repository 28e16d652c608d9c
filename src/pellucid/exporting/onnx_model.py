"""A program as a graph, and as an ONNX model."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from pellucid.exporting.columns import network_inputs
from pellucid.exporting.graph import Graph, Value, prune
from pellucid.exporting.onnx_file import to_onnx
from pellucid.exporting.program import Program
from pellucid.exporting.rules import translate
from pellucid.exporting.translation import opened


def onnx_model(program: Program, name: str, facts: Mapping[str, str]) -> tuple[Any, Graph, bool]:
    """Build the ONNX model of a program.

    Args:
        program: a run, or its network alone.
        name: of the model.
        facts: what is said of it in the file, by key.

    Returns:
        The model, its graph, and whether its sequences may have any number of steps.
    """
    graph, free = program.generalised(lambda shapes: graph_of(program, shapes))
    return to_onnx(graph, name, facts), graph, free


def graph_of(program: Program, shapes: Sequence[jax.ShapeDtypeStruct]) -> Graph:
    """The graph of a program for inputs of some shapes, symbolic ones too."""
    traced, results = jax.make_jaxpr(program.function, return_shape=True)(program.arrays, *shapes)
    graph = Graph()
    operands = _inputs(graph, program, shapes)
    for path, array in jax.tree_util.tree_flatten_with_path(program.arrays)[0]:
        layer, _, *rest = (key.key for key in path)
        operands.insert(len(operands) - len(shapes), graph.constant(np.asarray(array), "/".join((layer, *rest))))
    values = translate(graph, *opened(traced), operands)
    names = sorted(results)  # the order of a dictionary's leaves
    for label, value in zip(names, values, strict=True):
        graph.outputs.append(_output(graph, label, value, program.labels.get(label)))
    prune(graph)
    return graph


def _inputs(graph: Graph, program: Program, shapes: Sequence[jax.ShapeDtypeStruct]) -> list[Value]:
    if program.encoder is not None:
        return network_inputs(graph, program.encoder, shapes[0].shape[0])
    values = []
    for given, like in zip(program.inputs, shapes, strict=True):
        dtype = np.dtype(np.int64) if given.vocabulary is not None else given.dtype
        values.append(graph.cast(graph.input(given.name, like.shape, dtype), given.dtype))
    return values


def _output(graph: Graph, name: str, value: Value, labels: np.ndarray | None) -> Value:
    """An output under its own name; labels by their values."""
    if labels is not None:
        array = labels.astype(object) if labels.dtype.kind == "U" else labels.astype(np.int64)
        index = graph.cast(value, np.int64)
        value = graph.op("Gather", graph.constant(array), index, shape=value.shape, dtype=array.dtype, axis=0)
    elif value.dtype == np.int32:
        value = graph.cast(value, np.int64)
    last = graph.op("Identity", value, shape=value.shape, dtype=value.dtype)
    last.name = graph.nodes[-1].outputs[0] = graph.name(name)
    return last
