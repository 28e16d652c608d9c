"""Shared helpers of the verbs: specifications as text, messages on stderr, JSON on stdout."""

import json
import math
import shutil
import sys
import tomllib
from typing import Any

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")


def say(text: str) -> None:
    """Print a message on stderr."""
    click.echo(text, err=True)


def print_json(content: Any) -> None:
    """Print a result as JSON on stdout; NaN and infinity become null."""
    click.echo(json.dumps(_plain(content), indent=2, allow_nan=False))


def print_document(document: Any, width: int) -> None:
    """Print a document as wide as the terminal; ``width`` columns where there is none to ask."""
    from pellucid.report import terminal

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else width
    click.echo(terminal.text(document, columns).lstrip("\n"))


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _plain(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


class Specification(click.ParamType):
    """``name`` or ``name:field=value,field=value``, for example ``adam:beta1=0.8,clip_norm=1``."""

    name = "name[:field=value,…]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The name, or a table of name and fields."""
        if not isinstance(value, str):
            return value
        name, _, fields = value.partition(":")
        if not fields:
            return name
        table: dict[str, Any] = {"name": name}
        for field in fields.split(","):
            key, sign, text = field.partition("=")
            if not sign:
                self.fail(f"{field!r} in {value!r} is not of the form field=value.", param, ctx)
            table[key.strip()] = _parsed(text.strip())
        return table


def _parsed(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        try:
            return float(text)  # TOML asks for 1.0e-3 where users write 1e-3
        except ValueError:
            return text
