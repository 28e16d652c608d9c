"""Requests to a server: the same answers as in Python, whatever the run, the form, and the company they come in."""

import asyncio
import json
import warnings
from dataclasses import replace

import httpx
import numpy as np
import pyarrow as pa
import pytest
from benchmarks.malformed import STREAM, malformed
from starlette.testclient import TestClient

from pellucid.data import SentenceEncoder
from pellucid.data.translation import Lexicon
from pellucid.serving import application
from serving.kinds import KINDS, as_json, examples_of, run_of

SERVERS = {}


@pytest.fixture(scope="module", autouse=True)
def servers():
    yield
    for client in SERVERS.values():
        client.__exit__(None, None, None)


def server_of(kind):
    """A client of a server that runs until the tests of this file are done."""
    if kind not in SERVERS:
        SERVERS[kind] = TestClient(application(run_of(kind))).__enter__()
    return SERVERS[kind]


def post(client, body, path="/predict", **headers):
    return client.post(path, json=body, headers=headers)


def predicted(kind):
    """What Python predicts for the examples."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run_of(kind).predict(examples_of(kind))


def plain(values):
    """Arrays as JSON has them."""
    if isinstance(values, dict):
        return {name: plain(array) for name, array in values.items()}
    return json.loads(json.dumps(values.tolist()))


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_python(kind):
    answer = post(server_of(kind), as_json(examples_of(kind)))
    assert answer.status_code == 200, answer.text
    expected, run = plain(predicted(kind)), run_of(kind)
    if run.facts.heads:
        assert {name: answer.json()[name]["predictions"] for name in expected} == expected
    else:
        assert answer.json()["predictions"] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_the_schema_is_answered(kind):
    schema = server_of(kind).get("/schema").json()
    assert schema["example"] is not None
    answer = post(server_of(kind), schema["example"])
    assert answer.status_code == 200, answer.text
    assert run_of(kind).name in server_of(kind).get("/").text


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("two inputs", "a table of two outputs")])
def test_arrow_in_and_out_is_the_same_answer(kind):
    examples, client = examples_of(kind), server_of(kind)
    rows = examples if isinstance(examples, list) else [{"x": row.ravel().tolist()} for row in examples]
    table = pa.table({"x": rows}) if isinstance(rows[0], str) else pa.Table.from_pylist(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    answer = client.post(
        "/predict", content=sink.getvalue().to_pybytes(), headers={"content-type": STREAM, "accept": STREAM}
    )
    assert answer.headers["content-type"] == STREAM, answer.text
    columns = pa.ipc.open_stream(answer.content).read_all().to_pydict()
    expected = post(client, as_json(examples)).json()
    expected.pop("notes", None)
    assert {name: as_json(np.array(values, object)) for name, values in columns.items()} == expected


def test_several_outputs_are_columns_of_an_arrow_stream():
    client = server_of("a table of two outputs")
    answer = post(client, examples_of("a table of two outputs"), accept=STREAM)
    columns = pa.ipc.open_stream(answer.content).read_all()
    assert columns.column_names == ["ill predictions", "ill probabilities", "how predictions"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_malformed_is_refused_with_a_reason(kind):
    client = server_of(kind)
    example = client.get("/schema").json()["example"]
    example = example if isinstance(example, list) else [example]
    for request in malformed(example, 63, seed=list(KINDS).index(kind)):
        headers = {"content-type": request.content_type} | (request.headers or {})
        answer = client.post(f"/predict{request.query}", content=request.body, headers=headers)
        assert answer.status_code < 500, request
        assert answer.status_code < 400 or answer.json()["error"], request


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("texts", [None], "a list of texts is needed. Received: [None]"),
        ("two inputs", {"image": {"a": 1}, "age": [[1]]}, "image is a table of columns"),
        ("two inputs", [[1]], "the request holds a list, where an array for each input, 'image', 'age', is needed"),
        ("classes", [["/etc/passwd", 1, 2, 3]], "x holds '/etc/passwd' (str) at row 0, column 0"),
        (
            "classes",
            "/etc/passwd",
            "the request holds a str, '/etc/passwd', where an array of shape (rows, 4) is needed",
        ),
        ("classes", [[10**400, 1, 2, 3]], "x holds a whole number of more than 308 digits"),
        ("a table of classes", "/etc/passwd", "where a list of rows {column: value} is needed"),
    ],
)
def test_what_is_wrong_is_said(kind, body, said):
    answer = post(server_of(kind), body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]


@pytest.mark.parametrize("kind", ["a table of classes", "two inputs", "tags", "numbers in float64"])
def test_requests_at_the_same_time_get_their_own_answers(kind):
    """Forty at once: each as if it came alone, and fewer forward passes than requests."""
    examples = as_json(examples_of(kind))
    parts = [
        {name: rows[i : i + n] for name, rows in examples.items()}
        if isinstance(examples, dict)
        else examples[i : i + n]
        for i in range(2)
        for n in (1, 2)
    ] * 10
    app = application(run_of(kind))

    async def all_at_once():
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://s") as client,
        ):
            answers = await asyncio.gather(*(client.post("/predict", json=part) for part in parts))
            return answers, (await client.get("/metrics")).text

    answers, metrics = asyncio.run(all_at_once())
    alone = {str(part): post(server_of(kind), part).json() for part in parts}
    assert [answer.json() for answer in answers] == [alone[str(part)] for part in parts]
    assert 'pellucid_requests_total{path="/predict",status="200"} 40' in metrics
    passes = int(metrics.split("pellucid_batch_rows_count ")[1])
    assert passes < 40


@pytest.mark.parametrize("kind", ["a table of classes", "two inputs", "texts"])
def test_an_explanation_is_that_of_python(kind):
    run, example = run_of(kind), examples_of(kind)
    x = {name: array[0] for name, array in example.items()} if isinstance(example, dict) else example[0]
    target = {"a table of classes": "benign", "two inputs": {"kind": 1, "dose": 0.5}, "texts": True}[kind]
    answer = post(server_of(kind), {"x": as_json(x), "y": target}, "/explain")
    assert answer.status_code == 200, answer.text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = run.explain(run.as_inputs([x])[0] if kind == "texts" else x, target)
    assert answer.json() == json.loads(json.dumps(expected.to_dict()))


def test_sentences_are_translated(monkeypatch):
    run = run_of("texts")
    lexicon = Lexicon.of([["go", "!"]], 1)
    facts = replace(run.facts, task="translation", encoder=SentenceEncoder(lexicon, lexicon, 3, 3))
    monkeypatch.setattr(type(run), "translate", lambda _, sentences: [text.upper() for text in sentences])
    with TestClient(application(replace(run, facts=facts))) as client:
        assert post(client, ["Go!", "go"]).json() == {"predictions": ["GO!", "GO"]}
        assert "Received: [1]" in post(client, [1]).json()["error"]
