"""Datasets from folders of files, in memory or read while they are trained on."""

from dataclasses import replace
from fnmatch import fnmatchcase
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.data.arrays import Dataset
from pellucid.data.build import make_dataset
from pellucid.data.file_source import stream_files
from pellucid.data.media import FileEncoder, Listing, classes_of, list_files, unpacked

PARTS = (("train", "test"), ("train", "val"), ("train", "valid"), ("training", "testing"))
"""Names of subfolders that divide the files already."""


def load_files(
    encoder: type[FileEncoder],
    folder: str | PathLike[str],
    *,
    file_names: str | None = None,
    held_out: Any = 0.2,
    stream: bool = False,
    seed: int = 0,
    **options: Any,
) -> Dataset:
    """Make a `Dataset` from a folder, or a zip file, of files of one kind.

    Args:
        encoder: the kind.
        folder: holds a subfolder for each class; or ``train`` and ``test`` (or ``val``), which hold these.
        file_names: pattern of the files' names, without ending, where these tell the classes: ``{label}`` is the class,
            ``{group}`` a group that is held out whole or not at all, ``*`` anything, as in ``"{label}_{group}_*"``.
        held_out: fraction of the files held out, class by class; a number; None or 0; a pattern of the names of those
            held out, such as ``"*_[0-4].wav"``; or the path of another such folder. Unused where the folder divides
            them.
        stream: read the files while they are trained on, instead of holding them in memory.
        seed: of the draw.
        options: of the kind.

    Raises:
        DataError: no files, files without a class, or one that cannot be read.
        MissingExtra: the package that reads them is not installed.
    """
    source, root = Path(folder), unpacked(folder)
    names = next((names for names in PARTS if all((root / name).is_dir() for name in names)), None)
    if names is not None:
        train, rest = (list_files(root / name, encoder, file_names) for name in names)
    else:
        train, rest = list_files(root, encoder, file_names), None
        if isinstance(held_out, (str, PathLike)) and held_out != "last":
            train, rest = _held_out(train, str(held_out), encoder, file_names)
    classes = classes_of(train.labels)
    if len(classes) < 2:
        raise DataError(
            f"all {encoder.kind} of {str(folder)!r} are of one class, {', '.join(classes)}: two are needed."
        )
    if rest is not None and (new := set(rest.labels) - set(classes)):
        raise DataError(
            f"the held-out {encoder.kind} have classes that those to learn from lack: {', '.join(sorted(new))}."
        )
    listings = [train] if rest is None else [train, rest]
    fitted, notes = encoder.fit([file for one in listings for file in one.files], file_names, **options)
    if stream:
        given = {"file_names": file_names, **options}
        opened = {"file": str(source.resolve()), "stream": True, "held_out": held_out or 0.0, "seed": seed}
        opened |= {name: value for name, value in given.items() if value is not None}
        return stream_files(train, rest, fitted, str(source), held_out, seed, notes, opened)
    arrays: list[Any] = [(fitted.read(one.files), one.labels) for one in listings]
    data = make_dataset(
        *arrays[0],
        name=source.stem,
        task="binary" if len(classes) == 2 else "multiclass",
        classes=classes,
        groups=train.groups if rest is None else None,
        held_out=held_out if rest is None else arrays[1],
        seed=seed,
        preprocessing=encoder.preprocessing,
        encoder=fitted,
        source=str(source),
    )
    return replace(data, notes=(*data.notes, *notes))


def _held_out(
    listing: Listing, held_out: str, encoder: type[FileEncoder], file_names: str | None
) -> tuple[Listing, Listing]:
    """The files to learn from, and those held out: those of another folder, or those that a pattern names."""
    if Path(held_out).exists():
        return listing, list_files(unpacked(held_out), encoder, file_names)
    chosen = np.array([fnmatchcase(file.name, held_out) for file in listing.files])
    if chosen.all() or not chosen.any():
        raise DataError(
            f"the pattern {held_out!r} names {'all' if chosen.all() else 'none'} of {len(chosen)} {encoder.kind}, such "
            f"as {listing.files[0].name!r}: hold out some."
        )
    return listing.take(~chosen), listing.take(chosen)
