"""Named datasets: ``load_dataset("mnist")``.

MNIST is looked for in the folder named by ``PELLUCID_DATA``, then in the user's cache (``PELLUCID_CACHE``, else
``$XDG_CACHE_HOME/pellucid``, else ``~/.cache/pellucid``), and is downloaded into the cache last. Its files are checked
by SHA-256 each time they are read, which costs 0.03 s.
"""

import gzip
import importlib.util
import os
import tomllib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from pellucid.core.errors import DataError, UnknownName, did_you_mean
from pellucid.core.files import cache_folder, sha256, write_bytes
from pellucid.data.arrays import Dataset, Part
from pellucid.data.build import make_dataset
from pellucid.data.download import Progress, download
from pellucid.data.points import GaussianMixture, gaussian_grid, gaussian_ring
from pellucid.data.preprocessing import Preprocessing
from pellucid.data.targets import Task

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""Address of MNIST, unless the environment variable ``PELLUCID_MNIST_URL`` names a mirror."""


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
        >>> [info.name for info in list_datasets()]
        ['breast-cancer', 'diabetes', 'digits', 'gaussian-grid', 'gaussian-ring', 'iris', 'mnist', 'mnist-5k', 'wine']
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
    path = _LOADERS[_find(name).name][1]()
    return _fetch_mnist(progress) if path is None else path


# ---- MNIST ----

# Size of the gzip file, and SHA-256 of its content.
_MNIST_FILES = {
    "train-images-idx3-ubyte": (9912422, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (28881, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (1648877, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (4542, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def _mnist_folder() -> Path | None:
    # The first folder that holds all four files, as gzip or uncompressed.
    folders = [cache_folder() / "mnist"]
    if data := os.environ.get("PELLUCID_DATA"):
        folders.insert(0, Path(data) / "mnist")
    for folder in folders:
        if all((folder / name).is_file() or (folder / f"{name}.gz").is_file() for name in _MNIST_FILES):
            return folder
    return None


def _read_mnist(file: Path, name: str, origin: str, advice: str) -> bytes:
    try:
        content = file.read_bytes()
        content = content if file.name == name else gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {origin!r}: {error}. {advice}") from error
    expected, received = _MNIST_FILES[name][1], sha256(content)
    if received != expected:
        hashes = f"its content has SHA-256 {received[:16]}…, expected {expected[:16]}…"
        raise DataError(f"{origin!r} is not MNIST's {name}: {hashes}. {advice}")
    return content


def _fetch_mnist(progress: Progress | None) -> Path:
    # Kept unpacked, which reads 5 times faster.
    folder = cache_folder() / "mnist"
    base = (os.environ.get("PELLUCID_MNIST_URL") or MNIST_URL).rstrip("/")
    total, before = sum(size for size, _ in _MNIST_FILES.values()), 0
    for name, (size, _) in _MNIST_FILES.items():
        if not (folder / name).is_file():
            url, part = f"{base}/{name}.gz", folder / f"{name}.gz.part"
            report = progress and (lambda count, _, start=before: progress(start + count, total))
            packed = download(url, part, report)
            advice = "It was deleted. Try again, or name another mirror by PELLUCID_MNIST_URL."
            try:
                content = _read_mnist(packed, name, url, advice)
            finally:
                packed.unlink()  # unpacked it is not needed, and damaged it must not be resumed
            write_bytes(folder / name, content)
        before += size
    return folder


def _load_mnist(info: DatasetInfo, seed: int) -> Dataset:
    folder = fetch("mnist")

    def read(name: str, offset: int) -> np.ndarray:
        file = folder / name if (folder / name).is_file() else folder / f"{name}.gz"
        content = _read_mnist(file, name, str(file), "Delete the file and load the dataset again.")
        return np.frombuffer(content, np.uint8, offset=offset)

    parts = []
    for stem in ("train", "t10k"):
        x = _aligned(read(f"{stem}-images-idx3-ubyte", 16)).reshape(-1, 28, 28)
        parts.append(Part(x, read(f"{stem}-labels-idx1-ubyte", 8).astype(np.int32)))
    return _digits(info, *parts)


def _aligned(pixels: np.ndarray) -> np.ndarray:
    # A copy that begins at a multiple of 64 bytes: jax on a CPU uses it in place, which saves its 47 MB.
    room = np.empty(pixels.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + pixels.nbytes]
    copy[:] = pixels
    return copy


def _digits(info: DatasetInfo, train: Part, held_out: Part) -> Dataset:
    scaling = Preprocessing(scale=1 / 255, extent=(0, 255))
    classes = tuple("0123456789")
    return Dataset(info.name, train, held_out, "multiclass", classes, preprocessing=scaling, source=info.source)


def _mnist_5k_file() -> Path:
    return Path(__file__).parent / "files" / "mnist-5k.npz"


def _load_mnist_5k(info: DatasetInfo, seed: int) -> Dataset:
    with np.load(_mnist_5k_file(), allow_pickle=False) as file:
        parts = [Part(file[f"{part}_x"], file[f"{part}_y"].astype(np.int32)) for part in ("train", "held_out")]
    return _digits(info, *parts)


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
    classes, preprocessing = (), "auto"
    if info.name == "diabetes":
        # In its raw units, because the scaling that scikit-learn ships has seen all rows.
        x, y = np.loadtxt(folder / "diabetes_data_raw.csv.gz"), np.loadtxt(folder / "diabetes_target.csv.gz")
    elif info.name == "digits":
        rows = np.loadtxt(folder / "digits.csv.gz", np.uint8, delimiter=",")
        x, y = rows[:, :-1].reshape(-1, *info.input_shape), rows[:, -1].astype(int)
        classes, preprocessing = tuple("0123456789"), Preprocessing(scale=1 / 16, extent=(0, 16))
    else:
        file = folder / f"{_SKLEARN_FILES.get(info.name, info.name)}.csv"
        with file.open(encoding="utf-8") as lines:
            classes = tuple(next(lines).strip().split(",")[2:])  # after the numbers of rows and of columns
            rows = np.loadtxt(lines, delimiter=",")
        x, y = rows[:, :-1], rows[:, -1].astype(int)
    return make_dataset(
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


_SKLEARN_FILES = {"breast-cancer": "breast_cancer", "wine": "wine_data"}


# ---- The table ----

_MIXTURES: dict[str, GaussianMixture] = {"gaussian-grid": gaussian_grid(), "gaussian-ring": gaussian_ring()}


def _read_infos() -> dict[str, DatasetInfo]:
    tables = tomllib.loads((Path(__file__).parent / "datasets.toml").read_text("utf-8"))
    return {name: msgspec.convert({"name": name, **table}, DatasetInfo) for name, table in sorted(tables.items())}


_INFOS = _read_infos()
_POINTS = (
    lambda info, seed: _MIXTURES[info.name].dataset(info.train, seed, info.name),
    lambda: Path(__file__).parent / "points.py",
)
_LOADERS: dict[str, tuple[Callable[[DatasetInfo, int], Dataset], Callable[[], Path | None]]] = {
    **dict.fromkeys(_INFOS, (_load_sklearn, _sklearn_folder)),
    **dict.fromkeys(_MIXTURES, _POINTS),
    "mnist": (_load_mnist, _mnist_folder),
    "mnist-5k": (_load_mnist_5k, _mnist_5k_file),
}
"""How a dataset is loaded, and where it is on this machine."""


def _find(name: str) -> DatasetInfo:
    key = name.strip().lower().replace("_", "-")
    if key in _INFOS:
        return _INFOS[key]
    raise UnknownName(f"unknown dataset {name!r}.{did_you_mean(key, _INFOS)} Known: {', '.join(_INFOS)}.")
