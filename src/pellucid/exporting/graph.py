"""A graph of ONNX operators in memory: what is exported, before it becomes a file."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.errors import InvalidValue

SMALL = 64
"""Most numbers of a constant that is compared with others."""
OUTSIDE = "run"
"""The scope of what belongs to no layer."""


@dataclass(eq=False)
class Value:
    """An array of the graph: the result of an operator, an input, or a constant."""

    graph: "Graph"
    name: str
    shape: tuple[Any, ...]
    """Whole numbers and symbolic dimensions."""
    dtype: np.dtype
    array: np.ndarray | None = None
    """The numbers of a constant."""
    narrow: "Value | None" = None
    """The array that this one only repeats, along axes in front and those of length 1: most operators read it too."""
    parts: "tuple[Value, Value] | None" = None
    """Real and imaginary part of complex numbers, which operators do not read."""


@dataclass(eq=False)
class Node:
    """One operator."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    name: str
    dtype: np.dtype
    """Of its first result."""


@dataclass(eq=False)
class Graph:
    """Operators in order. A body of a loop is a graph within another, whose values it sees.

    Args:
        outer: the graph around it.
    """

    outer: "Graph | None" = None
    nodes: list[Node] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    """The arrays of all constants by name, of the outermost graph."""

    def __post_init__(self) -> None:
        self.root: Graph = self if self.outer is None else self.outer.root
        self.scope = ""
        self._counts: Counter[str] = Counter()
        self._known: dict[Any, Value] = {}
        self._sizes: dict[str, Value] = {}

    @contextmanager
    def within(self, scope: str) -> Iterator[None]:
        """Name what is added by the layer that it belongs to."""
        before, self.root.scope = self.root.scope, scope or self.root.scope
        yield
        self.root.scope = before

    def name(self, kind: str) -> str:
        """A new name, after the layer and the operator."""
        return self.unique(f"{self.root.scope or OUTSIDE}/{kind}")

    def unique(self, name: str) -> str:
        """The name, with a number where it is taken."""
        self.root._counts[name] += 1
        count = self.root._counts[name]
        return name if count == 1 else f"{name}_{count}"

    def input(self, name: str, shape: Sequence[Any], dtype: Any) -> Value:
        """Add an input; a symbolic dimension that it is the first to have is measured by it."""
        own = self.unique(name) if self.outer is None else self.name(name)
        value = Value(self, own, tuple(shape), np.dtype(dtype))
        self.inputs.append(value)
        if self.outer is None:
            for axis, size in enumerate(shape):
                if not is_whole(size) and str(size) not in self._sizes:
                    self._sizes[str(size)] = self.op(
                        "Shape", value, shape=(1,), dtype=np.int64, start=axis, end=axis + 1
                    )
        return value

    def constant(self, array: Any, name: str = "") -> Value:
        """A constant; equal small ones are the same."""
        array, root = np.asarray(array), self.root
        small = array.size <= SMALL and array.dtype != object
        key = name or ((array.dtype.str, array.shape, array.tobytes()) if small else id(array))
        if key not in root._known:
            label = self.unique(name or f"{OUTSIDE}/constant")
            root._known[key] = Value(root, label, array.shape, array.dtype, array)
            root.constants[label] = array
        return root._known[key]

    def op(self, kind: str, *inputs: Value | None, shape: Sequence[Any], dtype: Any, **attributes: Any) -> Value:
        """Add an operator of one result."""
        return self.several(kind, *inputs, results=[(shape, dtype)], **attributes)[0]

    def several(
        self, kind: str, *inputs: Value | None, results: Sequence[tuple[Sequence[Any], Any]], **attributes: Any
    ) -> list[Value]:
        """Add an operator of several results, given by shape and dtype."""
        name = self.name(kind)
        names = [name] if len(results) == 1 else [self.name(f"{kind}.{i}") for i in range(len(results))]
        read = ["" if value is None else self.full(value).name for value in inputs]
        self.nodes.append(Node(kind, read, names, attributes, name, np.dtype(results[0][1])))
        return [
            Value(self, own, tuple(shape), np.dtype(dtype)) for own, (shape, dtype) in zip(names, results, strict=True)
        ]

    def full(self, value: Value) -> Value:
        """A value whose repetition, if it is one, is carried out."""
        if value.parts is not None:
            raise InvalidValue(
                f"{self.root.scope or 'the network'} computes with complex numbers, of which ONNX has few."
            )
        if value.narrow is not None and not value.name:
            at = value.graph  # where all that use it see it
            value.name = at.op("Expand", value.narrow, at.sizes(value.shape), shape=value.shape, dtype=value.dtype).name
        return value

    # ---- Shapes ----

    def sizes(self, shape: Sequence[Any]) -> Value:
        """A shape as a vector of whole numbers, symbolic ones computed from the inputs."""
        if all(is_whole(size) for size in shape):
            return self.constant(np.array(shape, np.int64))
        parts = [self.size(size) for size in shape]
        if len(parts) == 1:
            return parts[0]
        return self.root.op("Concat", *parts, shape=(len(parts),), dtype=np.int64, axis=0)

    def size(self, size: Any) -> Value:
        """One dimension, shape (1,): of a symbolic one its terms, such as ``2*steps + 1``."""
        if is_whole(size):
            return self.constant(np.array([size], np.int64))
        root = self.root
        if str(size) not in root._sizes:
            with root.within(""):
                root._sizes[str(size)] = root._computed(ast.parse(str(size), mode="eval").body)
        return root._sizes[str(size)]

    def _computed(self, term: Any) -> Value:
        if isinstance(term, ast.Name):
            return self._sizes[term.id]
        if isinstance(term, ast.Constant):
            return self.size(term.value)
        if isinstance(term, ast.UnaryOp):
            return self.op("Neg", self._computed(term.operand), shape=(1,), dtype=np.int64)
        if isinstance(term, ast.BinOp):
            kind, parts = _OPERATORS[type(term.op)], (term.left, term.right)
        else:
            kind, parts = _FUNCTIONS[term.func.id], tuple(term.args)
        values = [self._computed(part) for part in parts]
        if kind == "Div":  # rounds towards 0, where dimensions round down: ⌈n / 2⌉ is −(−n // 2)
            rest = self.op("Mod", *values, shape=(1,), dtype=np.int64)
            values[0] = self.op("Sub", values[0], rest, shape=(1,), dtype=np.int64)
        return self.op(kind, *values, shape=(1,), dtype=np.int64)

    # ---- Operators that constants need no operator for ----

    def reshape(self, x: Value, shape: Sequence[Any]) -> Value:
        """The numbers in another shape."""
        shape = tuple(shape)
        if shape == x.shape:
            return x
        if x.array is not None and all(is_whole(size) for size in shape):
            return self.constant(x.array.reshape(shape))
        symbolic = [i for i, size in enumerate(shape) if not is_whole(size)]
        if len(symbolic) <= 1 and 0 not in shape:
            target = self.constant(np.array([size if is_whole(size) else -1 for size in shape], np.int64))
        else:
            target = self.sizes(shape)
        return self.op("Reshape", x, target, shape=shape, dtype=x.dtype)

    def transpose(self, x: Value, order: Any) -> Value:
        """The axes in another order."""
        order = tuple(map(int, order))
        if order == tuple(range(len(order))):
            return x
        shape = tuple(x.shape[i] for i in order)
        if x.array is not None:
            return self.constant(np.ascontiguousarray(x.array.transpose(order)))
        return self.op("Transpose", x, shape=shape, dtype=x.dtype, perm=order)

    def cast(self, x: Value, dtype: Any) -> Value:
        """The numbers in another type."""
        dtype = np.dtype(dtype)
        if dtype == x.dtype:
            return x
        if x.array is not None:
            return self.constant(x.array.astype(dtype))
        return self.op("Cast", x, shape=x.shape, dtype=dtype, to=dtype)

    def slice(self, x: Value, starts: Any, ends: Any, steps: Any, shape: Sequence[Any]) -> Value:
        """A part of each axis; each bound is a whole number or a symbolic dimension."""
        changed = [
            axis
            for axis, size in enumerate(x.shape)
            if steps[axis] != 1 or not _is_zero(starts[axis]) or str(ends[axis]) != str(size)
        ]
        if not changed:
            return x
        starts, ends, steps = ([each[axis] for axis in changed] for each in (starts, ends, steps))
        axes = self.constant(np.array(changed, np.int64))
        bounds = (self.sizes(starts), self.sizes(ends), axes)
        strides = () if all(step == 1 for step in steps) else (self.sizes(steps),)
        return self.op("Slice", x, *bounds, *strides, shape=shape, dtype=x.dtype)


_OPERATORS = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Pow: "Pow"}
_FUNCTIONS = {"floordiv": "Div", "mod": "Mod", "max": "Max", "min": "Min"}


def is_whole(size: Any) -> bool:
    """True for a dimension that is a number, False for a symbol."""
    return isinstance(size, (int, np.integer))


def _is_zero(size: Any) -> bool:
    return is_whole(size) and size == 0


def prune(graph: Graph) -> None:
    """Leave out the operators, results of loops and constants that no output depends on."""
    needed = {value.name for value in graph.outputs}
    _prune(graph, needed)
    graph.constants = {name: array for name, array in graph.constants.items() if name in needed}


def _prune(graph: Graph, needed: set[str]) -> None:
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if not needed.intersection(node.outputs):
            continue
        for body in node.attributes.values():
            if isinstance(body, Graph):
                _prune_results(node, body, needed)
                needed.update(value.name for value in body.outputs)
                _prune(body, needed)
        needed.update(node.inputs)
        kept.append(node)
    graph.nodes = kept[::-1]


def _prune_results(node: Node, body: Graph, needed: set[str]) -> None:
    """Leave out what a loop collects from step to step for nobody; what it carries stays."""
    carried = node.attributes.get("carried", 0)
    used = [i < carried or name in needed for i, name in enumerate(node.outputs)]
    own = len(body.outputs) - len(node.outputs)  # the condition of a loop, which is no result
    flags = [True] * own + used
    node.outputs = [name for name, flag in zip(node.outputs, used, strict=True) if flag]
    body.outputs = [value for value, flag in zip(body.outputs, flags, strict=True) if flag]
    directions = node.attributes.get("scan_output_directions", ())
    if directions:
        node.attributes["scan_output_directions"] = directions[: len(node.outputs) - carried]
