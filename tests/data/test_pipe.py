"""Tables piece by piece: the same rows as of the whole file, wherever the pieces are cut."""

import json

import numpy as np
import pytest

from pellucid.core.errors import DataError
from pellucid.data.pipe import is_in_lines, read_pipe
from pellucid.data.reading import read_table
from pellucid.data.table import Texts

ROWS = [
    {"age": 20 + i, "dose": i / 4, "city": ["Rome", "Ōsaka", 'a "b"'][i % 3], "code": f"0{i % 3}"} for i in range(40)
]


def as_csv(separator=",", decimal=".", newline="\n"):
    def cell(value):
        text = str(value).replace(".", decimal) if isinstance(value, float) else str(value)
        return '"' + text.replace('"', '""') + '"' if '"' in text or separator in text else text

    lines = [separator.join(ROWS[0]), *(separator.join(map(cell, row.values())) for row in ROWS)]
    return newline.join(lines) + newline


FILES = {
    "commas": as_csv().encode(),
    "semicolons, decimal commas": as_csv(";", ",").encode(),
    "lines of Windows": as_csv(newline="\r\n").encode(),
    "no last line end": as_csv()[:-1].encode(),
    "a mark of the order of bytes": b"\xef\xbb\xbf" + as_csv().encode(),
    "UTF-16": as_csv().encode("utf-16"),
    "Windows-1252": as_csv().replace("Ōsaka", "Orléans").encode("cp1252"),
    "cells of several lines": as_csv().replace("Rome", '"Roma\nRome"').encode(),
    "blank lines": as_csv().replace("\n2", "\n\n2").encode(),
    "a line before the header": b"# of the clinic\n" + as_csv().encode(),
    "JSON lines": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "JSON lines with gaps": "".join(
        json.dumps({name: value for name, value in row.items() if i % 7 != 3 or name != "dose"}) + "\n"
        for i, row in enumerate(ROWS)
    ).encode(),
}


def cut(content, rng):
    """The content in pieces of any length."""
    places = np.sort(rng.integers(0, len(content), 12)).tolist()
    return [content[a:b] for a, b in zip([0, *places], [*places, len(content)], strict=True)]


def _texts(values):
    return [np.nan if text is None else text for text in values.to_list()]


def plain(tables):
    """The columns of tables, one after another."""
    columns = {}
    for table in tables:
        for name, values in table.columns.items():
            columns.setdefault(name, []).extend(_texts(values) if isinstance(values, Texts) else values.tolist())
    return columns


@pytest.mark.parametrize("name", FILES)
def test_the_rows_are_those_of_the_file(name, tmp_path, rng):
    (tmp_path / "file").write_bytes(FILES[name])
    texts = ("city", "code")
    whole = read_table(tmp_path / "file", texts=texts)
    for _ in range(5):
        tables = list(read_pipe(cut(FILES[name], rng), "a pipe", texts=texts))
        assert str(plain(tables)) == str(plain([whole]))  # NaN is NaN
        lines = [table.line_of(row) for table in tables for row in table.numbers]
        assert lines == [whole.line_of(row) for row in range(whole.rows)]


def test_a_row_does_not_wait_for_the_next():
    arrived = []

    def blocks():
        for line in as_csv().encode().splitlines(keepends=True):
            arrived.append(line)
            yield line

    tables = read_pipe(blocks(), "a pipe")
    for rows in range(1, 6):
        assert next(tables).rows == 1
        assert len(arrived) == rows + 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a pipe is empty"),
        (b"a,b\n", "a pipe has a header and no rows"),
        (b"a,b\n1,2\n@1,2,3\n", "line 3 of a pipe has 3 cells where 2 are expected"),
        (b"a,b\n1,2\n@\n5,\0\n", "line 4 of a pipe holds a NUL byte"),
        (b'a,b\n1,2\n@3,4\n5,"6\n', "Look at line 4 first"),
        (b'{"a": 1}\n@{"a": 2}\n{"a": }\n', "line 3 of a pipe is not JSON"),
        (b'{"a": 1}\n@[1, 2]\n', "a pipe must hold rows of named values"),
    ],
)
def test_a_fault_is_found_by_its_line(content, said):
    for blocks in ([content.replace(b"@", b"")], content.split(b"@")):
        with pytest.raises(DataError, match=said):
            list(read_pipe(blocks, "a pipe"))


def test_an_encoding_that_has_begun_is_kept():
    tables = read_pipe(["a,b\n1,Ō\n".encode(), b"1,2\n3,\xff\n"], "a pipe")
    assert next(tables).columns["b"].values == ("Ō",)
    with pytest.raises(DataError, match="line 4 of a pipe is not UTF-8, as those before it"):
        next(tables)


def test_empty_rows_are_left_out_with_a_note():
    tables = list(read_pipe([b"a,b\n1,2\n,\n", b",\n", b"3,4\n"], "a pipe"))
    assert plain(tables) == {"a": [1, 3], "b": [2, 4]}
    assert "empty rows left out" in tables[0].notes


@pytest.mark.parametrize("first", [b"PAR1", b"\x1f\x8b\x08", b"PK\x03\x04", b"\x93NUMPY", b'[{"a": 1}]', b" [1]"])
def test_what_has_no_lines_is_not_streamed(first):
    assert not is_in_lines(first)
    assert is_in_lines(b"a,b\n")
