"""Comparison of an exported file with the run, on rows made for it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pellucid.data.groups import GroupsEncoder
from pellucid.exporting.columns import MISSING_TIME
from pellucid.exporting.graph import Graph
from pellucid.exporting.program import Input, Program, result_of

ROWS = 5
"""Rows of a batch that is compared."""
MORE_STEPS = 3
"""Steps by which a sequence is longer than those of the training, where any number is allowed."""


class Check(NamedTuple):
    """The comparison of a file with the run."""

    by: str
    """What ran the file."""
    rows: int
    difference: float
    """The largest between outputs, in units of the largest output where that is above 1; 1 where labels differ."""


class Case(NamedTuple):
    """Rows as the file reads them, as the network does, and what the run makes of them, in the order of the outputs."""

    inputs: dict[str, np.ndarray]
    arrays: list[np.ndarray]
    outputs: list[np.ndarray]

    def first(self) -> "Case":
        """The first row alone."""
        inputs = {name: array[:1] for name, array in self.inputs.items()}
        return Case(inputs, [array[:1] for array in self.arrays], [array[:1] for array in self.outputs])


def cases(program: Program, free: bool, seed: int = 0) -> Iterator[Case]:
    """Yield random rows, one of them alone, and where steps are ``free`` rows of longer sequences."""
    rng = np.random.default_rng(seed)
    case = _case(rng, program, 0)
    yield case
    yield case.first()
    if free:
        yield _case(rng, program, MORE_STEPS)


def _case(rng: Any, program: Program, more: int) -> Case:
    if program.encoder is None:
        arrays = [_numbers(rng, program, i, given, ROWS, more) for i, given in enumerate(program.inputs)]
        inputs = {
            given.name: array if given.vocabulary is None else array.astype(np.int64)
            for given, array in zip(program.inputs, arrays, strict=True)
        }
    else:
        inputs, arrays = _rows_of_table(rng, program, ROWS)
    outputs = result_of(program, arrays)
    outputs = {name: _labelled(program, name, array) for name, array in outputs.items()}
    if program.predict is not None and more == 0:
        for name, predicted in program.predict(arrays).items():
            outputs[name] = predicted.reshape(outputs[name].shape).astype(outputs[name].dtype)
    return Case(inputs, arrays, [outputs[name] for name in sorted(outputs)])


def _numbers(rng: Any, program: Program, i: int, given: Input, rows: int, more: int) -> np.ndarray:
    shape = (rows, given.shape[0] + more * given.has_steps, *given.shape[1:]) if given.shape else (rows,)
    if given.vocabulary is not None:
        return rng.integers(0, given.vocabulary, shape).astype(np.int32)
    scaling = program.preprocessing.parts[min(i, len(program.preprocessing.parts) - 1)]
    if scaling.extent is not None:  # images, of which others than those of the training are refused
        return rng.uniform(*scaling.extent, shape).astype(np.float32)
    x = scaling.invert_numpy(rng.normal(size=shape)).astype(np.float32)
    if scaling.padding is not None:
        x[1:, -1:] = scaling.padding
    return x


def _rows_of_table(rng: Any, program: Program, rows: int) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    encoder: Any = program.encoder
    groups = encoder.groups.values() if isinstance(encoder, GroupsEncoder) else (encoder,)
    inputs: dict[str, np.ndarray] = {}
    table: dict[str, np.ndarray] = {}
    for group, scaling in zip(groups, program.preprocessing.parts, strict=True):
        center, width = (np.broadcast_to(x, len(group.features)) for x in (scaling.shift, 1 / scaling.scale))
        for column, span in group.spans():
            if column.kind == "number":
                values = (center[span] + width[span] * rng.normal(size=rows)).astype(np.float32)
                if column.fill is not None:
                    values[-1:] = np.nan
                table[column.name], raw = values, values
            elif column.kind == "category":
                values = rng.choice(np.array(column.categories, object), rows)
                if column.fill is not None:
                    values[-1:] = ""
                table[column.name] = raw = values
            else:
                values = rng.integers(0, 2**31, rows)
                table[column.name] = values.astype("datetime64[s]")
                if column.fill is not None:
                    values[-1:], table[column.name][-1:] = MISSING_TIME, "NaT"
                raw = values
            inputs[column.name] = raw.reshape(-1, 1)
    encoded = encoder.encode(table)
    return inputs, list(encoded) if isinstance(encoded, tuple) else [encoded]


def compared(by: str, program: Program, run: Callable[[Case], Sequence[Any]], free: bool) -> Check:
    """Run a file on each case and measure the largest difference."""
    rows, largest = 0, 0.0
    for case in cases(program, free):
        rows += len(case.arrays[0])
        for result, expected in zip(run(case), case.outputs, strict=True):
            largest = max(largest, difference(np.asarray(result), expected))
    return Check(by, rows, largest)


def _labelled(program: Program, name: str, numbers: np.ndarray) -> np.ndarray:
    return program.labels[name][numbers] if name in program.labels else numbers


def difference(result: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of two arrays, in units of the largest number where that is above 1.

    Example:
        >>> difference(np.array([1.0, 10.2]), np.array([1.0, 10.0])).__round__(3)
        0.02
        >>> difference(np.array(["cat", "dog"]), np.array(["cat", "cat"]))
        1.0
    """
    if result.shape != expected.shape:
        return float("inf")
    if expected.dtype.kind != "f":
        return float(not np.array_equal(result.astype(expected.dtype), expected))
    if not np.array_equal(np.isnan(result), np.isnan(expected)):
        return float("inf")
    known = ~np.isnan(expected)
    unit = max(1.0, float(np.abs(expected[known]).max(initial=0)))
    return float(np.abs(result[known] - expected[known]).max(initial=0)) / unit


def check_onnx(model: Any, graph: Graph, program: Program, free: bool) -> Check:
    """Compare an ONNX model, run by ONNX Runtime where it is installed, else by ONNX's reference."""
    read = {value.name for value in graph.inputs}

    def run(case: Case) -> Sequence[Any]:
        inputs = {
            name: array.astype(object) if array.dtype.kind == "U" else array for name, array in case.inputs.items()
        }
        return session.run(None, {name: array for name, array in inputs.items() if name in read})

    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        session: Any = ReferenceEvaluator(model)
        return compared("onnx's reference evaluator", program, run, free)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return compared(f"ONNX Runtime {onnxruntime.__version__}", program, run, free)


def check_stablehlo(exported: Any, program: Program, free: bool) -> Check:
    """Compare an exported program, run by JAX."""

    def run(case: Case) -> Sequence[Any]:
        results = {name: np.asarray(value) for name, value in exported.call(*case.arrays).items()}
        for name, values in program.labels.items():
            if values.dtype.kind == "U":  # by number, the last for none
                results[name] = values[results[name]]
        return [results[name] for name in sorted(results)]

    return compared("jax.export", program, run, free)


def check_python(source: str, graph: Graph, program: Program) -> Check:
    """Compare a Python module, run as it is."""
    module: dict[str, Any] = {}
    exec(compile(source, "<exported>", "exec"), module)
    single = len(graph.inputs) == 1

    def run(case: Case) -> Sequence[Any]:
        inputs = next(iter(case.inputs.values())) if single else case.inputs
        return list(module["predict"](inputs).values())

    return compared("NumPy", program, run, free=False)
