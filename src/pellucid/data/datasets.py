"""Named datasets: ``load_dataset("mnist")``."""

import importlib.util
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from pellucid.core.errors import UnknownName, did_you_mean
from pellucid.data.arrays import Dataset, Part
from pellucid.data.build import make_dataset
from pellucid.data.download import Progress
from pellucid.data.idx import IDX
from pellucid.data.plane import PLANE
from pellucid.data.points import GaussianMixture, gaussian_grid, gaussian_ring
from pellucid.data.preprocessing import Preprocessing
from pellucid.data.targets import Task


@dataclass(frozen=True)
class DatasetInfo:
    """Description of a named dataset, known before it is loaded.

    Args:
        name: for `load_dataset`.
        title: one line.
        train: number of training examples.
        held_out: number of held-out examples.
        input_shape: shape of one example.
        task: what a network learns, see `pellucid.data.encoding.Task`.
        outputs: number of classes, or of quantities in a regression.
        source: its origin.
        licence: its terms of use.
        features: names of the inputs; empty for pixels and points.
        classes: names of the classes, where the files do not name them.
        targets: names of the quantities of a regression, where there are several.
        available: whether it is on this machine already.
    """

    name: str
    title: str
    train: int
    held_out: int
    input_shape: tuple[int, ...]
    task: Task
    outputs: int
    source: str
    licence: str
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    available: bool = False


def load_dataset(name: str, *, seed: int = 0) -> Dataset:
    """Load a dataset by name, downloading it first if necessary.

    Args:
        name: one of `list_datasets`; ``_`` and ``-`` are the same.
        seed: of the choice of held-out rows (20 %, class by class) if the dataset has no fixed held-out part.

    Raises:
        UnknownName: no such dataset, with the nearest names.
        DataError: files that cannot be downloaded or have a wrong content.

    Example:
        >>> load_dataset("mnist-5k").train.x.shape
        (4000, 28, 28)

    MNIST images keep the shape ``(28, 28)`` and their uint8 pixels; `Preprocessing` scales them by 1/255 and a network
    flattens them, or adds the channel axis that a convolution needs.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.
    """
    info = _find(name)
    load, _ = _LOADERS[info.name]
    return load(info, seed)


def list_datasets() -> list[DatasetInfo]:
    """List all named datasets without reading or downloading any.

    Example:
        >>> [info.name for info in list_datasets() if info.input_shape == (2,)]
        ['circles', 'gaussian-grid', 'gaussian-ring', 'moons', 'spirals', 'xor']
    """
    return [replace(info, available=_LOADERS[name][1]() is not None) for name, info in _INFOS.items()]


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Download a dataset unless it is here, and return its path.

    Args:
        name: one of `list_datasets`.
        progress: called as ``progress(bytes so far, bytes in all)`` while downloading.

    Returns:
        The file or folder that holds it.

    Raises:
        UnknownName: no such dataset.
        DataError: the download failed, or has a wrong content.

    Example:
        >>> fetch("mnist-5k").name
        'mnist-5k.npz'
    """
    key = _find(name).name
    path = _LOADERS[key][1]()
    return IDX[key].fetch(progress) if path is None else path


# ---- MNIST and the like ----


def _load_idx(info: DatasetInfo, seed: int) -> Dataset:
    return _images(info, *IDX[info.name].load())


def _images(info: DatasetInfo, train: Part, held_out: Part) -> Dataset:
    scaling = Preprocessing(scale=1 / 255, extent=(0, 255))
    return Dataset(info.name, train, held_out, info.task, info.classes, preprocessing=scaling, source=info.source)


def _mnist_5k_file() -> Path:
    return Path(__file__).parent / "files" / "mnist-5k.npz"


def _load_mnist_5k(info: DatasetInfo, seed: int) -> Dataset:
    with np.load(_mnist_5k_file(), allow_pickle=False) as file:
        parts = [Part(file[f"{part}_x"], file[f"{part}_y"].astype(np.int32)) for part in ("train", "held_out")]
    return _images(info, *parts)


# ---- scikit-learn's ----


def _sklearn_folder() -> Path | None:
    specification = importlib.util.find_spec("sklearn")  # finds the folder without the second of an import
    assert specification is not None
    assert specification.submodule_search_locations
    return Path(specification.submodule_search_locations[0]) / "datasets" / "data"


def _load_sklearn(info: DatasetInfo, seed: int) -> Dataset:
    # Read from its own files: scikit-learn's loaders take a second and a half to import.
    folder = _sklearn_folder()
    assert folder is not None
    classes, preprocessing = info.classes, "auto"
    if info.name == "linnerud":
        x, y = (np.loadtxt(folder / f"linnerud_{part}.csv", skiprows=1) for part in ("exercise", "physiological"))
    elif info.name == "diabetes":
        # In its raw units, because the scaling that scikit-learn ships has seen all rows.
        x, y = np.loadtxt(folder / "diabetes_data_raw.csv.gz"), np.loadtxt(folder / "diabetes_target.csv.gz")
    elif info.name == "digits":
        rows = np.loadtxt(folder / "digits.csv.gz", np.uint8, delimiter=",")
        x, y = rows[:, :-1].reshape(-1, *info.input_shape), rows[:, -1].astype(int)
        preprocessing = Preprocessing(scale=1 / 16, extent=(0, 16))
    else:
        file = folder / f"{_SKLEARN_FILES.get(info.name, info.name)}.csv"
        with file.open(encoding="utf-8") as lines:
            classes = tuple(next(lines).strip().split(",")[2:])  # after the numbers of rows and of columns
            rows = np.loadtxt(lines, delimiter=",")
        x, y = rows[:, :-1], rows[:, -1].astype(int)
    data = make_dataset(
        x,
        y,
        name=info.name,
        task=info.task,
        classes=classes or None,
        seed=seed,
        preprocessing=preprocessing,
        features=info.features,
        source=info.source,
    )
    return replace(data, targets=info.targets)


_SKLEARN_FILES = {"breast-cancer": "breast_cancer", "wine": "wine_data"}


# ---- Points ----

_MIXTURES: dict[str, GaussianMixture] = {"gaussian-grid": gaussian_grid(), "gaussian-ring": gaussian_ring()}


def _load_mixture(info: DatasetInfo, seed: int) -> Dataset:
    return _MIXTURES[info.name].dataset(info.train, seed, info.name)


def _load_plane(info: DatasetInfo, seed: int) -> Dataset:
    points, noise = PLANE[info.name]
    x, y = points(info.train + info.held_out)
    x += noise * np.random.default_rng(seed).normal(size=x.shape)
    held_out = info.held_out or None
    return make_dataset(x, y, name=info.name, task=info.task, held_out=held_out, seed=seed, source=info.source)


# ---- The table ----


def _read_infos() -> dict[str, DatasetInfo]:
    tables = tomllib.loads((Path(__file__).parent / "datasets.toml").read_text("utf-8"))
    return {name: msgspec.convert({"name": name, **table}, DatasetInfo) for name, table in sorted(tables.items())}


_INFOS = _read_infos()
_LOADERS: dict[str, tuple[Callable[[DatasetInfo, int], Dataset], Callable[[], Path | None]]] = {
    **dict.fromkeys(_INFOS, (_load_sklearn, _sklearn_folder)),
    **dict.fromkeys(_MIXTURES, (_load_mixture, lambda: Path(__file__).parent / "points.py")),
    **dict.fromkeys(PLANE, (_load_plane, lambda: Path(__file__).parent / "plane.py")),
    **{name: (_load_idx, files.folder) for name, files in IDX.items()},
    "mnist-5k": (_load_mnist_5k, _mnist_5k_file),
}
"""How a dataset is loaded, and where it is on this machine."""


def _find(name: str) -> DatasetInfo:
    key = name.strip().lower().replace("_", "-")
    if key in _INFOS:
        return _INFOS[key]
    raise UnknownName(f"unknown dataset {name!r}.{did_you_mean(key, _INFOS)} Known: {', '.join(_INFOS)}.")
