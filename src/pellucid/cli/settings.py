"""Options of the command line, made from the settings that `pellucid.runs.experiment` declares."""

import inspect
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from click.core import ParameterSource

from pellucid.cli.options import Specification

SPECIFICATION = Specification()


class Units(click.ParamType):
    """Units joined by dashes, ``none``, a network by name with its fields, or the path of a TOML file."""

    name = "units|name|file"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """A tuple of units, a specification, or the path of a file."""
        if not isinstance(value, str) or value.endswith(".toml"):
            return value
        if value == "none":
            return ()
        if not value[:1].isdecimal():
            given = SPECIFICATION.convert(value, param, ctx)
            return {k: _units(v) for k, v in given.items()} if isinstance(given, dict) else given
        try:
            return tuple(int(units) for units in value.split("-"))
        except ValueError:
            self.fail(f"{value!r} is not units joined by dashes, such as 128-128.", param, ctx)


def _units(value: Any) -> Any:
    """The numbers of a field such as ``16-32``; any other value as it is."""
    parts = value.split("-") if isinstance(value, str) else ()
    return [int(part) for part in parts] if len(parts) > 1 and all(map(str.isdecimal, parts)) else value


class WholeNumberOr(click.ParamType):
    """A whole number, or one word."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.name = f"integer|{word}"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The number, or the word."""
        if value == self.word or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor {self.word!r}.", param, ctx)


class Names(click.ParamType):
    """Names joined by commas."""

    name = "name,…"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """A tuple of names."""
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


class Specifications(click.ParamType):
    """Specifications joined by commas: a field that follows another belongs to the same one."""

    name = "name[:field=value],…"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """A list of names, and of tables of name and fields."""
        if not isinstance(value, str):
            return value
        return [SPECIFICATION.convert(piece, param, ctx) for piece in pieces_of(value)]


def pieces_of(text: str) -> list[str]:
    """Divide a text at its commas; fields that follow a name's colon belong to that name.

    Example:
        >>> pieces_of("sgd,adam:beta1=0.8,beta2=0.9")
        ['sgd', 'adam:beta1=0.8,beta2=0.9']
    """
    pieces: list[str] = []
    for piece in text.split(","):
        if pieces and ":" in pieces[-1] and "=" in piece:
            pieces[-1] += f",{piece}"
        else:
            pieces.append(piece.strip())
    return pieces


def named_values(text: str, option: str) -> tuple[str, list[Any]]:
    """Parse ``SETTING=VALUE,VALUE``: a setting and its values."""
    name, rest = named(text, option)
    return name, [_value(name, piece) for piece in pieces_of(rest)]


def named(text: str, option: str) -> tuple[str, str]:
    """Parse ``SETTING=TEXT``."""
    name, sign, rest = text.partition("=")
    if not sign or not rest:
        raise click.BadParameter(f"{text!r} is not of the form setting=value,value.", param_hint=option)
    return name, rest


def _value(name: str, text: str) -> Any:
    """A number, true or false where the text is one, None where it is empty, else a specification."""
    if name == "network":
        return Units().convert(text, None, None)
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text in ("", "true", "false"):
        return {"": None, "true": True, "false": False}[text]
    given = SPECIFICATION.convert(text, None, None)
    return _units(given) if name.startswith("network.") else given


class Numbers(click.ParamType):
    """``NAME=NUMBER,NAME=NUMBER``."""

    name = "name=number,…"
    form = "NAME=NUMBER,NAME=NUMBER"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """A table of numbers."""
        if not isinstance(value, str):
            return value
        try:
            pairs = (pair.rsplit("=", 1) for pair in value.split(","))
            return {name.strip(): float(number) for name, number in pairs}
        except ValueError:
            self.fail(f"{value!r} is not {self.form}.", param, ctx)


class ClassWeights(Numbers):
    """``balanced``, or ``NAME=WEIGHT,NAME=WEIGHT``."""

    name = "balanced|name=weight,…"
    form = "'balanced' or NAME=WEIGHT,NAME=WEIGHT"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The word, or a table of weights."""
        return value if value == "balanced" else super().convert(value, param, ctx)


KINDS = {
    "specification": SPECIFICATION,
    "specifications": Specifications(),
    "network": Units(),
    "names": Names(),
    "weights": ClassWeights(),
    "numbers": Numbers(),
    "path": click.Path(exists=True),
}


def _type_of(hint: Any, kind: str | None) -> Any:
    if kind is not None:
        return KINDS[kind]
    if get_origin(hint) is Literal:
        return click.Choice(get_args(hint))
    parts = [part for part in get_args(hint) or (hint,) if part is not type(None)]
    word = next((get_args(part)[0] for part in parts if get_origin(part) is Literal), None)
    return parts[0] if word is None else WholeNumberOr(word)


class SettingsCommand(click.Command):
    """A command that also takes settings as options, made when its help or arguments are read.

    Args:
        names: the settings; None for all.
        by_recipe: True where the default recipe completes them.
    """

    def __init__(self, *args: Any, names: Iterable[str] | None = None, by_recipe: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = None if names is None else tuple(names)
        self.by_recipe = by_recipe

    @cached_property
    def options(self) -> list[click.Parameter]:
        """One option for each setting."""
        from pellucid.runs.experiment import SETTINGS, TYPES, Experiment

        defaults = {name: field.default for name, field in inspect.signature(Experiment).parameters.items()}
        options = []
        for name in SETTINGS if self.names is None else self.names:
            setting, hint, flag = SETTINGS[name], TYPES.get(name), "--" + name.replace("_", "-")
            default = defaults.get(name)
            has_default = default is not None and default is not inspect.Parameter.empty
            text = ",".join(default) if isinstance(default, tuple) else str(default).lower()
            if self.by_recipe and setting.by_recipe is not None:
                has_default, text = True, setting.by_recipe
            help = f"{setting.help}  [default: {text}]" if has_default else setting.help
            if hint is bool:
                options.append(click.Option([f"{flag}/--no-{flag[2:]}", name], default=None, help=help))
            else:
                options.append(click.Option([flag, name], type=_type_of(hint, setting.kind), help=help))
        return options

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters, the settings before the last of them (``--help``)."""
        *own, last = super().get_params(ctx)
        return [*own, *self.options, last]


def given_settings(options: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that are settings and were given."""
    from pellucid.runs.experiment import SETTINGS

    return {name: value for name, value in options.items() if name in SETTINGS and value is not None}


def is_given(name: str) -> bool:
    """True for an option given on the command line."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: where a run is kept, and what is shown of it."""
    options = [
        click.option("--folder", type=click.Path(path_type=Path), help="Run folder.  [default: runs/NAME-NNN]"),
        click.option("--overwrite", is_flag=True, help="Replace the run folder if it is there."),
    ]
    for option in reversed(options):
        command = option(command)
    return progress_options(command)


def progress_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: how often checkpoints are written, and whether progress is shown."""
    options = [
        click.option(
            "--checkpoint-every", type=float, default=10.0, show_default=True, help="Seconds between checkpoints."
        ),
        click.option("--progress/--no-progress", default=True, help="Show the progress.  [default: progress]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command
