"""Generated tables and arrays: every value is read as it was written, or refused in pellucid's own words."""

import bz2
import gzip
import io
import lzma
import zipfile

import pandas as pd
import pyarrow as pa
import pytest
from data.generated_tables import File, files, same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.data.columns import decide
from pellucid.data.reading import read_table


def laws(examples):
    """Settings of a property: so many examples, the same ones each time."""
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )


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


@given(files(), st.sampled_from(sorted(COMPRESSIONS)))
@laws(1200)
def test_every_value_of_a_file_is_read_as_it_was_written(folder, file, compression):
    path = folder / f"table.csv{compression}"
    path.write_bytes(COMPRESSIONS[compression](file.content))
    table = read_table(path, **file.options)
    assert len(table.columns) == len(file.columns)
    for name, column in zip(table.columns, file.columns, strict=True):
        values = values_of(table, name)
        assert len(values) == len(column.values), table.notes
        for value, truth in zip(values, column.values, strict=True):
            assert same(value, truth), (column.name, column.kind, value, truth, table.decimal)
    for row, line in enumerate(file.lines):
        assert table.row_name(row) == f"line {line}"
