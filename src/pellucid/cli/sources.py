"""Options that say how data are read, and where they come from."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import Specification
from pellucid.cli.settings import Names


class KindOf(click.ParamType):
    """``COLUMN=KIND``."""

    name = "column=kind"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """The column and its kind."""
        column, sign, kind = str(value).rpartition("=")
        if not sign:
            self.fail(f"{value!r} is not of the form COLUMN=KIND, such as id=ignored.", param, ctx)
        return column, kind


class HeldOut(click.ParamType):
    """A fraction, a number of rows, ``last``, or a pattern of files' names."""

    name = "fraction|rows|last|pattern"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The number, or the word."""
        if value == "last" or not isinstance(value, str) or set(value) & set("*?["):
            return value
        try:
            return int(value) if value.isdecimal() else float(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a fraction, nor a number of rows, nor 'last', nor a pattern of files' names "
                "(test-*).",
                param,
                ctx,
            )


KINDS_HELP = "number, category, date, text, identifier or ignored"
READING = ("columns", "na", "header", "names", "encoding")
"""Options of how a table is read."""
FILES = ("image_size", "rate", "seconds", "file_names")
"""Options of how a folder of files is read."""
TOKENS = ("text", "tokenizer", "length")
"""Options of how texts become tokens."""
TABLE = ("target", "weights", "time", "group", "missing", *READING, "task", "held_out", "window", "horizon", "stream")
DATA = (*TABLE, *TOKENS, *FILES)
"""Options of data, by the names that experiment.toml has."""


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: how a table file is read."""
    options = [
        click.option(
            "--as", "columns", type=KindOf(), multiple=True, help=f"Kind of a column: {KINDS_HELP}; may be repeated."
        ),
        click.option("--na", type=Names(), help="Cells that mean a missing value, besides empty ones: '?,-999'."),
        click.option(
            "--no-header", "header", is_flag=True, flag_value=False, default=None, help="The first line is a row."
        ),
        click.option("--names", type=Names(), help="Names of the columns of a file without them."),
        click.option("--encoding", help="Encoding of a text file; found out if not given."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def files_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: how a folder of images or recordings is read."""
    options = [
        click.option("--image-size", type=click.IntRange(1), help="Pixels of each side of the images of a folder."),
        click.option("--rate", type=click.IntRange(1), help="Samples a second of the recordings of a folder."),
        click.option("--seconds", type=float, help="Length of the recordings; that of the longest if not given."),
        click.option("--file-names", help="Pattern of files' names that tell the classes: '{label}_{group}_*'."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: how data are read from a file, and which rows are held out."""
    options = [
        click.option("--target", multiple=True, metavar="COLUMN", help="Column to predict; several may be given."),
        click.option("--text", metavar="COLUMN", help="Column of texts, read as sequences of tokens; alone the input."),
        click.option(
            "--tokenizer",
            type=Specification(),
            help="words, wordpiece, bpe or bpe:vocabulary=2000, trained; or a tokenizer.json.  [default: words]",
        ),
        click.option("--length", type=click.IntRange(1), help="Most tokens of a text.  [default: the longest, to 256]"),
        click.option("--weights", metavar="COLUMN", help="Column of the weight of each row, at least 0."),
        click.option("--time", metavar="COLUMN", help="Column of times; the last rows are held out."),
        click.option("--group", metavar="COLUMN", help="Column of groups, held out whole or not at all."),
        click.option("--window", type=click.IntRange(1), help="Rows of a series that one prediction sees."),
        click.option("--horizon", type=click.IntRange(1), help="Steps of a series to predict.  [default: 1]"),
        click.option(
            "--missing",
            type=click.Choice(["refuse", "drop", "mean", "median", "most_frequent"]),
            help="What to do with missing values.  [default: median]",
        ),
        click.option(
            "--task",
            type=click.Choice(
                ["binary", "multiclass", "multilabel", "regression", "tagging", "forecasting", "transcription"]
            ),
            help="Task; inferred from the target if not given.",
        ),
        click.option(
            "--held-out",
            type=HeldOut(),
            help="Fraction or number of rows held out, 0, 'last', or a pattern of files' names.  [default: 0.2]",
        ),
        click.option(
            "--test", metavar="FILE", type=click.Path(exists=True), help="Table, or folder of files, that is held out."
        ),
        click.option(
            "--stream",
            is_flag=True,
            default=None,
            help="Read the rows of a file while they are trained on; those of a folder of tables always are.",
        ),
    ]
    command = reading_options(files_options(command))
    for option in reversed(options):
        command = option(command)
    return command


def is_file(source: str) -> bool:
    """True for a file, a folder, an address or standard input; False for a dataset's name."""
    known = (".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".json", ".xlsx", ".npz", ".npy", ".gz")
    return source == "-" or "://" in source or source.lower().endswith(known) or Path(source).exists()


def path_of(source: str, first: bytes = b"") -> str:
    """The path of a file; what comes on standard input, and came ``first``, is kept in one.

    Raises:
        click.UsageError: nothing comes on standard input.
    """
    if source != "-":
        return source if "://" in source else str(Path(source).resolve())
    from pellucid.data.files import keep

    content = first + sys.stdin.buffer.read()
    if not content:
        raise click.UsageError("nothing came on standard input: pellucid … - < FILE")
    return str(keep(content))


def data_settings(source: str, network: Any, options: dict[str, Any], seed: int) -> dict[str, Any]:
    """Collect the options for opening the data, as experiment.toml keeps them."""
    name = network.get("name") if isinstance(network, dict) else network
    given = {option: options[option] for option in DATA if options.get(option) not in (None, ())}
    if options.get("test") is not None:
        if "held_out" in given:
            raise click.UsageError("--held-out and --test: one of them says which rows are held out. Leave one out.")
        given["held_out"] = str(Path(options["test"]).resolve())
    if not is_file(source):
        if given:
            option = "as" if next(iter(given)) == "columns" else next(iter(given)).replace("_", "-")
            raise click.UsageError(f"--{option} is for files; {source!r} is a dataset, or no file is there.")
        return {"name": source, "seed": seed}
    if name == "translator":
        return {"pairs": path_of(source), "seed": seed}
    if "target" not in given and not tells_targets(source) and _needs_target(network):
        raise click.UsageError("name the column to predict: --target COLUMN.")
    if "text" not in given and (alone := [name for name in TOKENS if name in given]):
        raise click.UsageError(f"--{alone[0]} is of a column of texts: name it by --text COLUMN.")
    if "horizon" in given and "window" not in given:
        raise click.UsageError("--horizon needs --window: the rows that a prediction sees.")
    if "target" in given:
        given["target"] = given["target"][0] if len(given["target"]) == 1 else list(given["target"])
    if "columns" in given:
        given["columns"] = dict(given["columns"])
    for option in ("na", "names"):
        if option in given:
            given[option] = list(given[option])
    return {"file": path_of(source), **given, "seed": seed}


def tells_targets(source: str) -> bool:
    """True for what holds its targets in a way of its own: arrays, or a folder of files other than tables."""
    from pellucid.data.files import FILES, kind_of_files

    if source.endswith(".npz"):
        return True
    return "://" not in source and kind_of_files(Path(source), FILES)[0] is not None


def _needs_target(network: Any) -> bool:
    from pellucid.architectures.by_name import find_architecture

    architecture = find_architecture(network)
    return architecture is None or architecture.learns == "targets"


def reading_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The options of how a table is read, as `pellucid.data.reading.read_table` takes them."""
    return {name: options[name] for name in ("na", "header", "names", "encoding") if options.get(name) is not None}
