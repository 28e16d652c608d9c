"""The arrays of a case after its transformations, and the dataset that they make."""

from typing import Any

import numpy as np

from benchmarks.doctor_cases.case import CannotTranslate, Case
from pellucid.data import Dataset, Part
from pellucid.data.targets import Task

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def arrays_of(case: Case) -> dict[str, np.ndarray]:
    """The four arrays of a case after its transformations, float32; labels not yet encoded."""
    settings = case.program["data"]
    with np.load(case.folder / settings["file"]) as archive:
        arrays = {name: archive[name].astype(np.float32) for name in ARRAYS}
        for step in settings.get("transform", []):
            if step["op"] == "use_array":  # in a repair: the rows as they should have been
                arrays[f"{step.get('target', 'x')}_train"] = archive[step["array"]].astype(np.float32)
    for part in ("train", "test"):
        rows = settings.get(f"{part}_rows")
        for axis in ("x", "y"):
            arrays[f"{axis}_{part}"] = arrays[f"{axis}_{part}"][:rows]
        x = arrays[f"x_{part}"]
        if settings.get("flatten"):
            x = x.reshape(len(x), -1)
        if settings.get("channels"):
            x = x.reshape(*x.shape, 1)  # images are height, width, channel here
        elif x.ndim == 4:
            x = np.moveaxis(x, 1, -1)
        arrays[f"x_{part}"] = x
    for step in settings.get("transform", []):
        if step["op"] != "use_array":
            _transform(arrays, **step)
    return arrays


def _transform(arrays: dict[str, np.ndarray], *, op: str, target: str = "x", only: str = "", **numbers: Any) -> None:
    train = arrays[f"{target}_train"]
    axes = 0 if train.ndim <= 2 else None
    if op == "oversample":
        _oversample(arrays)
        return
    if op == "drop_non_finite_rows":
        for part in (only,) if only else ("train", "test"):
            checked = arrays[f"{target}_{part}"]
            sound = np.isfinite(checked.reshape(len(checked), -1)).all(1)
            for axis in ("x", "y"):
                arrays[f"{axis}_{part}"] = arrays[f"{axis}_{part}"][sound]
        return
    finite = np.where(np.isfinite(train), train, np.nan)
    low, high = np.nanmin(finite, axes), np.nanmax(finite, axes)
    mean, spread = np.nanmean(finite, axes, dtype=np.float64), np.nanstd(finite, axes, dtype=np.float64)
    width = np.where(high > low, high - low, 1)
    spread = np.where(spread > 0, spread, 1)
    bottom, top = numbers.get("low", 0), numbers.get("high", 1)
    steps = {
        "divide": lambda x: x / numbers["by"],
        "multiply": lambda x: x * numbers["by"],
        "add": lambda x: x + numbers["value"],
        "log1p": np.log1p,
        "clip": lambda x: np.clip(x, numbers.get("low"), numbers.get("high")),
        "standardise": lambda x: (x - mean) / spread,
        "min_max": lambda x: bottom + (x - low) / width * (top - bottom),
        "impute_mean": lambda x: np.where(np.isfinite(x), x, mean),
        "keep_columns": lambda x: x[:, numbers["columns"]],
        "reverse_columns": lambda x: x[:, ::-1],
    }
    if op not in steps:
        raise CannotTranslate(f"data step {op!r}. Known: {', '.join(steps)}, oversample, drop_non_finite_rows.")
    for part in (only,) if only else ("train", "test"):
        arrays[f"{target}_{part}"] = np.asarray(steps[op](arrays[f"{target}_{part}"]), np.float32)


def _oversample(arrays: dict[str, np.ndarray]) -> None:
    y = arrays["y_train"].reshape(len(arrays["y_train"]), -1)
    y = y[:, 0] if y.shape[1] == 1 else y.argmax(1)
    values, counts = np.unique(y, return_counts=True)
    rows = np.concatenate([np.resize(np.flatnonzero(y == value), counts.max()) for value in values])
    arrays["x_train"], arrays["y_train"] = arrays["x_train"][rows], arrays["y_train"][rows]


def dataset_of(case: Case) -> Dataset:
    """The data as a pellucid dataset, not checked for what pellucid would refuse."""
    arrays = arrays_of(case)
    task = case.program["task"]
    if task == "perceptron":  # labels −1 and +1
        for labels in ("y_train", "y_test"):
            arrays[labels] = (arrays[labels] > 0).astype(np.float32)
    y = arrays["y_train"]
    columns = 1 if y.ndim == 1 else y.shape[1]
    classes: tuple[str, ...] = ()
    kind: Task = "regression"
    whole = np.array_equal(y, np.round(y)) and y.min() >= 0
    if task in ("binary", "perceptron", "multiclass") and columns == 1 and whole:
        one_hot = case.program["data"].get("one_hot")
        kind = "multiclass" if task == "multiclass" or one_hot else "binary"
        classes = tuple(str(i) for i in range(int(np.nanmax(y)) + 1))
    elif task == "multiclass" and columns > 1:
        kind, classes = "multiclass", tuple(str(i) for i in range(columns))
    elif task == "multilabel" or (task == "binary" and columns > 1):
        kind, classes = "multilabel", tuple(str(i) for i in range(columns))

    def part(name: str) -> Part:
        y = arrays[f"y_{name}"]
        if kind == "multiclass":
            y = (y.reshape(len(y)) if columns == 1 else y.argmax(1)).astype(np.int32)
        return Part(arrays[f"x_{name}"], y.reshape(len(y), -1) if kind != "multiclass" else y)

    return Dataset("arrays", part("train"), part("test"), kind, classes)
