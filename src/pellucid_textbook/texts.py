"""The textbook's texts: TOML files beside the code that measures."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def read_texts(name: str) -> dict[str, Any]:
    """The tables of a TOML file beside this module, whether the package is installed or run from its sources.

    Line breaks within a text become spaces.

    Example:
        >>> read_texts("catalogue/activations")["relu"]["used"]
        'The default of hidden layers, dense and convolutional.'
    """
    return _unwrapped(tomllib.loads(files("pellucid_textbook").joinpath(f"{name}.toml").read_text("utf-8")))


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: part if key == "run" else _unwrapped(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_unwrapped(part) for part in value]
    return " ".join(value.split()) if isinstance(value, str) else value
