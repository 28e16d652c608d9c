"""A program as a graph."""

from collections.abc import Sequence
from functools import partial

import jax
import numpy as np

from pellucid.exporting.columns import network_inputs
from pellucid.exporting.graph import Graph, Value, prune
from pellucid.exporting.program import Generalised, Program
from pellucid.exporting.rules import translate
from pellucid.exporting.translation import opened


def graph_of(program: Program, steps: bool = True) -> Generalised[Graph]:
    """The graph of a program, for any number of rows, and of steps where it takes them."""
    return program.generalised(partial(_graph, program), steps)


def _graph(program: Program, shapes: Sequence[jax.ShapeDtypeStruct]) -> Graph:
    traced, results = jax.make_jaxpr(program.function, return_shape=True)(program.arrays, *shapes)
    graph = Graph()
    inputs, arrays = _inputs(graph, program, shapes), []
    for (layer, _, *path), array in jax.tree_util.tree_flatten_with_path(program.arrays)[0]:
        name = jax.tree_util.keystr((layer, *path), simple=True, separator="/")
        arrays.append(graph.constant(np.asarray(array), name))
    values = translate(graph, *opened(traced), [*arrays, *inputs])
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
    last.name = graph.nodes[-1].outputs[0] = graph.unique(name)
    return last
