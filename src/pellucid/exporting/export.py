"""Export of a run to a file that other programs run."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import jax

from pellucid.core.constraints import OneOf, require
from pellucid.core.errors import InvalidValue
from pellucid.core.files import write_bytes
from pellucid.core.interface import option
from pellucid.exporting.check import Check, check_onnx, check_python, check_stablehlo
from pellucid.exporting.graph import Graph, is_whole
from pellucid.exporting.onnx_file import to_onnx
from pellucid.exporting.program import Program, network_alone, whole_run
from pellucid.exporting.program_graph import graph_of
from pellucid.exporting.python_file import python_file
from pellucid.exporting.stablehlo import stablehlo
from pellucid.runs.trained import Trained

Format: TypeAlias = Literal["onnx", "stablehlo", "numpy"]
FORMATS: tuple[str, ...] = get_args(Format)
ENDINGS: dict[str, Format] = {".onnx": "onnx", ".stablehlo": "stablehlo", ".py": "numpy"}
"""The format that the ending of a file's name asks for."""

ROUNDING = 1e-4
"""Largest difference that is not remarked on: ten times what the tests allow any layer."""


class Array(NamedTuple):
    """An input or output of an exported file."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.shape))}{',' * (len(self.shape) == 1)}) {self.dtype}"


@dataclass(frozen=True)
class Exported:
    """An exported file: what it reads and gives, and how it compares with the run.

    Args:
        path: the file.
        format: ``"onnx"``, ``"stablehlo"`` or ``"numpy"``.
        size: of the file, in bytes.
        inputs: what it reads.
        outputs: what it gives.
        check: the comparison with the run on random rows.
        notes: what is not as in the run.
    """

    path: Path
    format: Format
    size: int
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    check: Check
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        each = {name: [array._asdict() for array in getattr(self, name)] for name in ("inputs", "outputs")}
        plain = {"path": str(self.path), "format": self.format, "size": self.size}
        return plain | each | {"check": self.check._asdict(), "notes": list(self.notes)}

    def __str__(self) -> str:
        lines = [
            f"{self.path}: {self.format}, {self.size:,} bytes",
            *(f"reads {array}" for array in self.inputs),
            *(f"gives {array}" for array in self.outputs),
            f"differs from the run by at most {self.check.difference:.1e} ({self.check.rows} rows, {self.check.by})",
            *self.notes,
        ]
        return "\n".join(lines)


class _Content(NamedTuple):
    content: bytes
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    check: Check
    note: str = ""


def export(
    run: Trained, path: str | PathLike[str], *, format: Format | None = None, preprocessing: bool = False
) -> Exported:
    """Write a run as a file that other programs run, and compare it with the run.

    The number of rows is free, and that of the steps of sequences wherever the network allows any. Dropout, noise and
    augmentation are off, as they are in ``predict``; weights and numbers are float32.

    - ``"onnx"``: for ONNX Runtime and others; all layers, custom ones too, whatever JAX primitives they are made of.
    - ``"stablehlo"``: for JAX, by `jax.export.deserialize`, on CPU, GPU and TPU.
    - ``"numpy"``: a module of Python with the weights inside, for networks of dense layers.

    Args:
        run: a trained or loaded run.
        path: the file to write.
        format: of the file; None for that of its ending: ``.onnx``, ``.stablehlo`` or ``.py``.
        preprocessing: include what ``predict`` does before and after the network. Of a table each column is then an
            input, (rows, 1), texts for categories, whole seconds since 1970 for times; missing values and categories
            are treated as in the training. Other arrays come unscaled. Classes are given as ``label`` and
            ``probabilities``, numbers as ``prediction`` in their own units, words of a translator as text, samples of a
            GAN in the units of its data. False exports the network alone, which reads scaled arrays.

    Returns:
        The file, what it reads and gives, and its largest difference from the run on random rows.

    Raises:
        InvalidValue: an ending that names no format; for ONNX a column of texts, or a primitive without translation;
            for NumPy a network of other layers.
        MissingExtra: ONNX is not installed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import pellucid as pel
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=2, progress=False)
        >>> with TemporaryDirectory() as folder:
        ...     exported = pel.export(run, f"{folder}/iris.onnx", preprocessing=True)
        >>> print(*exported.inputs, *exported.outputs, sep=", ")
        input (batch, 4) float32, label (batch,) text, probabilities (batch, 3) float32
        >>> exported.check.difference < 1e-5
        True
    """
    path = Path(path)
    format = format or _format_of(path)
    require(format, OneOf(FORMATS), "format")
    program = whole_run(run) if preprocessing else network_alone(run)
    written = _WRITERS[format](program, run, path)
    write_bytes(path, written.content)
    notes = [written.note] if written.note else []
    if not program.float32:
        notes.append(f"computes in float32; the run did in {run.experiment.precision}")
    if written.check.difference > ROUNDING:
        notes.append("differs by more than rounding does: compare it with predict on rows of your own")
    return Exported(path, format, len(written.content), written.inputs, written.outputs, written.check, tuple(notes))


def _format_of(path: Path) -> Format:
    if path.suffix not in ENDINGS:
        raise InvalidValue(
            f"the ending of {path.name!r} names no format. Take one of {', '.join(ENDINGS)}, or say "
            f"{option('format', *FORMATS)}."
        )
    return ENDINGS[path.suffix]


def _onnx(program: Program, run: Trained, path: Path) -> _Content:
    graph, free, note = graph_of(program)
    model = to_onnx(graph, path.stem, {"data": run.facts.name, "task": run.facts.task})
    check = check_onnx(model, graph, program, free)
    return _Content(model.SerializeToString(), *_arrays(graph), check, note)


def _stablehlo(program: Program, run: Trained, path: Path) -> _Content:
    exported, free, note = stablehlo(program)
    names = (given.name for given in program.inputs)
    inputs = tuple(map(_array, names, exported.in_avals))
    outputs = jax.tree.unflatten(exported.out_tree, exported.out_avals)
    check = check_stablehlo(exported, program, free)
    return _Content(bytes(exported.serialize()), inputs, tuple(map(_array, outputs, outputs.values())), check, note)


def _numpy(program: Program, run: Trained, path: Path) -> _Content:
    graph = graph_of(program, steps=False).result
    source = python_file(graph, f"The run {run.name}", path.stem)
    return _Content(source.encode(), *_arrays(graph), check_python(source, graph, program))


_WRITERS = {"onnx": _onnx, "stablehlo": _stablehlo, "numpy": _numpy}


def _arrays(graph: Graph) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    inputs, outputs = (tuple(_array(value.name, value) for value in values) for values in (graph.inputs, graph.outputs))
    return inputs, outputs


def _array(name: str, like: Any) -> Array:
    shape = tuple(int(size) if is_whole(size) else str(size) for size in like.shape)
    return Array(name, shape, "text" if like.dtype.kind in "UO" else str(like.dtype))
