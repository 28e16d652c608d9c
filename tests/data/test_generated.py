"""Generated files of separated values: every value is read as it was written, or refused in pellucid's own words."""

import bz2
import contextlib
import gzip
import io
import lzma
import random
import zipfile

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.generated_tables import files, laws, same
from pellucid.core.errors import DataError
from pellucid.data import delimited, layout
from pellucid.data.columns import decide
from pellucid.data.reading import read_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("generated")


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("table.csv", content)
    return buffer.getvalue()


COMPRESSIONS = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": zipped,
    ".zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}


def values_of(table, name):
    """The values of a column by the kind that was decided, one a row."""
    column = decide(table, name)
    if column.kind == "identifier" and hasattr(table.columns[name], "dtype"):
        return table.columns[name].tolist()
    values = column.parse(table)
    return values.to_list() if hasattr(values, "to_list") else list(values)


def all_values(table):
    return [values_of(table, name) for name in table.columns]


def check(file, table):
    """Compare a table with what its file holds."""
    assert len(table.columns) == len(file.columns)
    for name, column in zip(table.columns, file.columns, strict=True):
        values = values_of(table, name)
        assert len(values) == len(column.values), table.notes
        for value, truth in zip(values, column.values, strict=True):
            assert same(value, truth), (column.name, column.kind, value, truth, table.decimal)


@given(files(), st.sampled_from(sorted(COMPRESSIONS)))
@laws(600)
def test_every_value_is_read_as_it_was_written_and_every_row_knows_its_line(folder, file, compression):
    path = folder / f"table.csv{compression}"
    path.write_bytes(COMPRESSIONS[compression](file.content))
    table = read_table(path, **file.options)
    check(file, table)
    for row, line in enumerate(file.lines[:5]):
        assert table.row_name(row) == f"line {line}"


@given(files(kinds=["whole", "decimal", "thousands", "words", "exponent"], gaps=False))
@laws(200)
def test_pandas_with_its_options_spelled_out_reads_the_same(folder, file):
    names = [column.name for column in file.columns]
    frame = pd.read_csv(
        io.StringIO(file.text.replace("\r\n", "\n").replace("\r", "\n")),
        sep=file.style["delimiter"],
        decimal=file.style["decimal"],
        thousands=file.style["group"],
        skiprows=file.preamble,
        header=None if file.options else 0,
        names=names if file.options else None,
        skip_blank_lines=True,
        keep_default_na=False,
        quotechar='"',
    )
    path = folder / "frame.csv"
    path.write_bytes(file.content)
    table = read_table(path, **file.options)
    for i, name in enumerate(table.columns):
        for value, other in zip(values_of(table, name), frame.iloc[:, i], strict=True):
            assert same(value, other if isinstance(other, str) else float(other))


@given(files(rows=(150, 400)), st.sampled_from([1 << 10, 1 << 12]))
@laws(60)
def test_a_file_of_many_blocks_is_read_as_one_of_a_single_block(folder, file, block):
    path = folder / "long.csv"
    path.write_bytes(file.content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK", block)
        patch.setattr(layout, "SEEN_LINES", 40)
        check(file, read_table(path, **file.options))


@given(files(kinds=["whole", "decimal", "thousands"], gaps=False, rows=(12, 60)), st.integers(0, 10**6))
@laws(200)
def test_a_wrong_cell_is_refused_with_its_line(folder, file, seed):
    chance = random.Random(seed)
    column, row = chance.choice(file.columns), chance.randrange(1, len(file.lines))
    before, at, after = divided(file, file.lines[row])
    path = folder / "wrong.csv"
    path.write_bytes((before + at.replace(column.cells[row], "oops", 1) + after).encode(file.encoding))
    with pytest.raises(DataError, match=f"'.*oops.*' at line {file.lines[row]},"):
        all_values(read_table(path, **file.options))


@given(files(gaps=False, rows=(4, 30)), st.integers(0, 10**6), st.booleans())
@laws(200)
def test_a_line_of_another_length_is_refused_with_its_number(folder, file, seed, longer):
    row = random.Random(seed).randrange(2, len(file.lines))
    before, at, after = divided(file, file.lines[row])
    delimiter = file.style["delimiter"]
    changed = f"{delimiter}x{delimiter}{at}" if longer else f"x\n{at}"
    path = folder / "ragged.csv"
    path.write_bytes((before + changed + after).encode(file.encoding))
    with pytest.raises(DataError, match=rf"line {file.lines[row]} of .* cells where {len(file.columns)} are expected"):
        read_table(path, **file.options)


def divided(file, line):
    """The text before a line, the line, and the text after it."""
    lines = list(io.StringIO(file.text, newline=""))
    return "".join(lines[: line - 1]), lines[line - 1], "".join(lines[line:])


@given(
    st.text(alphabet=',;"\t\n\r .-01a%N\x00é\u2028', max_size=60), st.booleans(), st.sampled_from([None, ["0", "a"]])
)
@laws(250)
def test_any_text_is_read_or_refused(folder, text, header, na):
    path = folder / "any.csv"
    path.write_bytes(text.encode())
    with contextlib.suppress(DataError):
        table = read_table(path, header=header, na=na)
        assert all(len(values) == table.rows for values in all_values(table))


@given(files(rows=(2, 10)), st.binary(min_size=1, max_size=4), st.integers(0, 10**6))
@laws(200)
def test_a_damaged_file_is_read_or_refused(folder, file, damage, seed):
    compression = random.Random(seed).choice(sorted(COMPRESSIONS))
    content = COMPRESSIONS[compression](file.content)
    at = seed % len(content)
    path = folder / "damaged.csv"
    path.write_bytes(content[:at] + damage + content[at + len(damage) :])
    with contextlib.suppress(DataError):
        all_values(read_table(path, **file.options))
