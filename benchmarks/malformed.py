"""Bodies that a server must refuse: each kind drawn from a seed, around one body that it takes."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

JSON, STREAM = "application/json", "application/vnd.apache.arrow.stream"


class Request(NamedTuple):
    """A request to ``/predict``.

    Args:
        kind: what is wrong with it.
        body: its body.
        content_type: of the body.
        headers: further ones; None for none.
        query: of its address.
    """

    kind: str
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] | None = None
    query: str = ""


def malformed(example: Any, count: int, seed: int = 0) -> Iterator[Request]:
    """Draw so many wrong requests, all kinds in turn.

    Args:
        example: a body that is right: a list of rows of named values, or of numbers.
        count: how many.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    kinds = list(KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        made = KINDS[kind](example, rng)
        yield made._replace(kind=kind) if isinstance(made, Request) else Request(kind, made)


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


def _one(rng: np.random.Generator, options: list[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def _with(example: Any, rng: np.random.Generator, value: str) -> bytes:
    """The example as text with one value replaced by other text."""
    row = example[0]
    if isinstance(row, dict):
        name = _one(rng, list(row))
        return _text([{**row, name: "@"}]).replace(b'"@"', value.encode())
    return f"[[{', '.join([value] * max(1, np.size(row)))}]]".encode()


STRANGE = [
    *("[]", "{}", "[1, 2]", '{"a": 1}', "true", "false", '""', '" "', '"forty"', '"\\u0000"', '"\\ud800"', '"💥"'),
    *("1e400", "-1e400", "1e39", "9" * 400, "-" + "9" * 4999, "1.", ".5", "01", "+1", "0x1F", "1_000", "1,5", "--1"),
    *("NaN", "Infinity", "-Infinity", "nan", "undefined", "None", "'text'", '"' + "x" * 10_000 + '"', "[[[[]]]]"),
]


def _renamed(example: Any, rng: np.random.Generator) -> bytes:
    row = example[0]
    if not isinstance(row, dict):
        return _text([{"x": row}])
    old = _one(rng, list(row))
    new = _one(rng, [f"{old}2", old[::-1] + "_", "", "\u0000", old.upper() + "!", "__class__"])
    return _text([{new if name == old else name: value for name, value in row.items()}])


def _without(example: Any, rng: np.random.Generator) -> bytes:
    row = example[0]
    if not isinstance(row, dict):
        return _text([np.ravel(row)[:-1].tolist()])
    left_out = _one(rng, list(row))
    return _text([{name: value for name, value in row.items() if name != left_out}])


def _flipped(example: Any, rng: np.random.Generator) -> Request:
    body = bytearray(_stream(example))
    for _ in range(int(rng.integers(1, 20))):
        body[int(rng.integers(len(body)))] = int(rng.integers(256))
    return Request("", bytes(body), STREAM)


def _table(example: Any) -> Any:
    import pyarrow as pa

    rows = [row if isinstance(row, dict) else {"x": np.ravel(row).tolist()} for row in example]
    return pa.Table.from_pylist(rows)


def _stream(example: Any, table: Any = None, **options: Any) -> bytes:
    import pyarrow as pa

    table, sink = _table(example) if table is None else table, pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _arrow_types(example: Any, rng: np.random.Generator) -> Request:
    import pyarrow as pa

    columns = [
        pa.array([[1.0]]),
        pa.array([{"a": 1}]),
        pa.array([b"\xff\xfe"]),
        pa.array([None]),
        pa.array(["forty"]),
        pa.array([2**63], pa.uint64()),
        pa.array([1e300]),
        pa.array([float("nan")]),
        pa.array([1], pa.timestamp("ns")),
        pa.array([1], pa.duration("s")),
        pa.array([10**37], pa.decimal128(38, 0)),
        pa.array(["x"]).dictionary_encode(),
        pa.array(["x"], pa.string_view()),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([1.0])),
    ]
    names = list(example[0]) if isinstance(example[0], dict) else ["x"]
    return Request("", _stream(example, pa.table({name: _one(rng, columns) for name in names})), STREAM)


def _bomb(example: Any, rng: np.random.Generator) -> Request:
    """A dictionary of one long text that every row refers to: 20 KB a row once it is written out."""
    import pyarrow as pa

    names = list(example[0]) if isinstance(example[0], dict) else ["x"]
    rows = int(rng.integers(5_000, 9_000))
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["x" * 20_000]))
    return Request("", _stream(example, pa.table(dict.fromkeys(names, column))), STREAM)


def _choice(*options: Any) -> Callable[[Any, np.random.Generator], Any]:
    return lambda example, rng: _one(rng, list(options))


def _deep(opening: bytes, closing: bytes, most: int) -> Callable[[Any, np.random.Generator], bytes]:
    def draw(example: Any, rng: np.random.Generator) -> bytes:
        depth = int(10 ** rng.uniform(1, most))
        return opening * depth + b"1" + closing * depth

    return draw


def _content_type(example: Any, rng: np.random.Generator) -> Request:
    others = ["", "text/plain", "text/csv", "application/x-www-form-urlencoded", "application/xml", STREAM, "a" * 500]
    return Request("", _text(example), _one(rng, others))


def _compressed(example: Any, rng: np.random.Generator) -> Request:
    """At most 10 MB in 10 KB, said to be compressed or not."""
    headers = _one(rng, [None, {"content-encoding": "gzip"}, {"content-encoding": "br, gzip"}])
    return Request("", gzip.compress(b"0" * int(rng.integers(1, 10_000_000)), 1), headers=headers)


def _bad_characters(example: Any, rng: np.random.Generator) -> bytes:
    return _text(example)[:-2] + _one(rng, [b"\xff", b"\xc3(", b"\0", b"\xed\xa0\x80"]) + b"]"


def _arrow_compressed(example: Any, rng: np.random.Generator) -> Request:
    return Request("", _stream(example * 500, compression=_one(rng, ["lz4", "zstd"])), STREAM)


NO_ROWS = (
    *(b"null", b"1", b"1.5", b"true", b'"/etc/passwd"', b'["/etc/passwd"]', b'{"x": "/etc/passwd"}', b"[null]"),
    *(b"", b" ", b"\n", b"[]", b"{}", b"[{}]", b"[[]]", b"\xef\xbb\xbf"),
)
RAGGED = (b"[[1], [1, 2]]", b"[[1], 1]", b"[[[1]], [1]]", b'[{"a": 1}, {"b": 1}]', b'[{"a": 1}, [1]]')
KINDS: dict[str, Callable[[Any, np.random.Generator], bytes | Request]] = {
    "truncated": lambda example, rng: _text(example)[: int(rng.integers(1, len(_text(example)) - 1))],
    "no rows": _choice(*NO_ROWS),
    "strange value": lambda example, rng: _with(example, rng, _one(rng, STRANGE)),
    "renamed column": _renamed,
    "missing column": _without,
    "deep lists": _deep(b"[", b"]", 5),
    "deep objects": _deep(b'{"a":', b"}", 4),
    "ragged": _choice(*RAGGED),
    "any bytes": lambda example, rng: rng.bytes(int(rng.integers(1, 300))),
    "bad characters": _bad_characters,
    "content type": _content_type,
    "compressed": _compressed,
    "too many rows": lambda example, rng: _text([0] * 10_001),
    "too large": lambda example, rng: b"[" + b" " * (8 * 2**20) + b"]",
    "switch": lambda example, rng: Request("", _text(example), query=_one(rng, ["?unknown=maybe", "?unknown="])),
    "Arrow truncated": lambda example, rng: Request("", _stream(example)[: int(rng.integers(1, 200))], STREAM),
    "Arrow damaged": _flipped,
    "Arrow compressed": _arrow_compressed,
    "Arrow types": _arrow_types,
    "Arrow bomb": _bomb,
    "any bytes as Arrow": lambda example, rng: Request("", rng.bytes(int(rng.integers(0, 300))), STREAM),
}
"""What is wrong with a request, and how one is drawn around an example."""
