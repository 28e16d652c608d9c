"""The server around the answers: limits, token, batches, metrics, and a process that ends as it should."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue
from pellucid.serving import Limits, app, application, serve
from pellucid.serving.app import SMALL_BODY
from pellucid.serving.batches import Batches
from pellucid.serving.server import is_loopback
from serving.kinds import X, run_of

ROWS = X[:2].tolist()


@pytest.fixture(scope="module")
def run():
    return run_of("classes")


def client_of(run, *arguments, **options):
    return TestClient(application(run, *arguments), raise_server_exceptions=False, **options)


# ---- Limits ----


def test_rows_and_bytes_have_limits(run):
    with client_of(run, Limits(max_rows=3, max_bytes=500)) as client:
        assert client.post("/predict", json=ROWS).status_code == 200
        many = client.post("/predict", json=[[0, 0, 0, 0]] * 4)
        assert (many.status_code, many.json()["error"]) == (
            413,
            "a request holds at most 3 rows. Received: 4. Send them in parts.",
        )
        for body in (b"[" + b" " * 500, iter([b"[" + b" " * 300, b" " * 300])):  # said beforehand, or only seen
            large = client.post("/predict", content=body, headers={"content-type": "application/json"})
            assert large.status_code == 413
            assert "at most 500 bytes" in large.json()["error"]


@pytest.mark.parametrize("limits", [{"max_rows": 0}, {"max_bytes": 2.5}, {"batch_wait": -1}])
def test_limits_that_are_none_are_refused(limits):
    with pytest.raises(InvalidValue, match=f"Limits.{next(iter(limits))} "):
        Limits(**limits)


def test_a_large_body_is_decoded_beside_the_loop(run):
    rows = np.random.default_rng(0).normal(size=(2000, 4)).tolist()
    with client_of(run) as client:
        answer = client.post("/predict", json=rows)
    assert int(answer.request.headers["content-length"]) > SMALL_BODY
    assert answer.json()["predictions"] == run.predict(np.array(rows)).tolist()


async def answer_to(asgi, message):
    """What is sent to a client that sends the same message again and again."""
    sent = []

    async def receive():
        await asyncio.sleep(0.02)
        return message

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/predict", "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "server": ("s", 80), "scheme": "http",
    }  # fmt: skip
    async with asgi.router.lifespan_context(asgi):
        await asgi(scope, receive, send)
    return sent


def test_a_body_that_does_not_arrive_is_given_up(run, monkeypatch):
    monkeypatch.setattr(app, "BODY_SECONDS", 0.05)
    sent = asyncio.run(answer_to(application(run), {"type": "http.request", "body": b" ", "more_body": True}))
    assert sent[0]["status"] == 408


def test_a_client_that_leaves_is_no_failure(run):
    sent = asyncio.run(answer_to(application(run), {"type": "http.disconnect"}))
    assert sent[0]["status"] == 400


def test_a_failure_is_said_and_the_next_request_answered(run, monkeypatch):
    with client_of(run) as client:
        with monkeypatch.context() as patched:
            patched.setattr(type(run), "predictions_of", lambda *_: 1 / 0)
            answer = client.post("/predict", json=ROWS)
        assert (answer.status_code, answer.json()) == (500, {"error": "the server failed; its log says why."})
        assert client.post("/predict", json=ROWS).status_code == 200


def test_explanations_that_wait_are_limited(run, monkeypatch):
    monkeypatch.setattr(app, "EXPLANATIONS", 0)
    with client_of(run) as client:
        answer = client.post("/explain", json={"x": ROWS[0], "y": 0})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([1], "Received: a list"),
        ({"y": 1}, "Received: 'y'"),
        ({"x": ROWS[0], "z": 1}, "Received: 'x', 'z'"),
        ({"x": ROWS[0]}, "needs the target y"),
        ({"x": ROWS[0], "y": 7}, "7"),
        ({"x": ROWS, "y": 1}, "takes batches of shape"),
        ({"x": "/etc/passwd", "y": 1}, "x holds '/etc/passwd' (str) at row 0"),
        ({"x": ROWS[0], "y": 1, "neuron": 3}, 'such as "dense_1:0"'),
        ({"x": ROWS[0], "y": 1, "weight": "dense_9:0,0"}, "dense_9"),
    ],
)
def test_what_cannot_be_explained_is_refused(run, body, said):
    with client_of(run) as client:
        answer = client.post("/explain", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]


def test_it_is_mounted_in_another_application(run):
    outer = Starlette(routes=[Mount("/flowers", application(run, None, "t"))])
    with TestClient(outer) as client:
        assert client.get("/flowers/health").status_code == 200
        assert client.post("/flowers/predict", json=ROWS).status_code == 401
        headers = {"authorization": "Bearer t"}
        assert client.post("/flowers/predict", json=ROWS, headers=headers).json()["predictions"]
        metrics = client.get("/flowers/metrics", headers=headers).text
        assert 'pellucid_requests_total{path="/predict",status="200"} 1' in metrics
        assert "testserver/flowers/predict" in client.get("/flowers/", headers=headers).text


# ---- Who may ask ----


def test_a_token_is_asked_for(run):
    with client_of(run, None, "s3cret ✓") as client:
        assert client.get("/health").status_code == 200
        for headers in ({}, {"authorization": "Bearer s3cret"}, {"authorization": "s3cret ✓".encode()}):
            answer = client.post("/predict", json=ROWS, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert "Authorization: Bearer TOKEN" in answer.json()["error"]
        right = {"authorization": "Bearer s3cret ✓".encode()}
        assert client.post("/predict", json=ROWS, headers=right).status_code == 200
        assert "Bearer TOKEN" in client.get("/", headers=right).text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", ""])
def test_another_host_needs_a_token(run, host):
    assert not is_loopback(host)
    with pytest.raises(InvalidValue, match="can be reached from other machines, which needs a token: token='TOKEN'"):
        serve(run, host=host)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"token": " "}, "the token is empty"),
        ({"port": 70_000}, "cannot listen at 127.0.0.1, port 70000"),
        ({"host": "example.invalid", "token": "t"}, "cannot listen at example.invalid"),
    ],
)
def test_what_cannot_be_served_is_refused(run, options, said):
    with pytest.raises(InvalidValue, match=said):
        serve(run, **options)


def test_a_gan_is_not_served(run, monkeypatch):
    monkeypatch.setattr(type(run), "adversarial", True)
    with pytest.raises(InvalidValue, match="predicts nothing"):
        application(run)


# ---- Batches ----


@pytest.mark.parametrize("inline", [True, False])
def test_what_waits_is_taken_together(inline):
    """Six requests of two rows, four rows at most: three passes; the one given up has no part in them."""
    passes = []

    def forward(x):
        time.sleep(0.01)
        return {"double": 2 * x}

    async def requests():
        batches = Batches(forward, 4, 0.0, inline, passes.append)
        tasks = [asyncio.ensure_future(batches.outputs(np.full((2, 1), i))) for i in range(7)]
        await asyncio.sleep(0)
        tasks[5].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        batches.close()
        return answers

    answers = asyncio.run(requests())
    assert isinstance(answers.pop(5), asyncio.CancelledError)
    assert [answer["double"].tolist() for answer in answers] == [[[2 * i]] * 2 for i in (0, 1, 2, 3, 4, 6)]
    assert passes == [4, 4, 4]


@pytest.mark.parametrize("inline", [True, False])
def test_a_pass_that_fails_fails_its_requests_alone(inline):
    def forward(x):
        if not x.all():
            raise FloatingPointError
        return x

    async def requests():
        batches = Batches(forward, 2, 0.0, inline, lambda rows: None)
        parts = [np.full((2, 1), number) for number in (1, 0, 2)]
        answers = await asyncio.gather(*map(batches.outputs, parts), return_exceptions=True)
        batches.close()
        return answers

    first, second, third = asyncio.run(requests())
    assert (first.tolist(), third.tolist()) == ([[1], [1]], [[2], [2]])
    assert isinstance(second, FloatingPointError)


# ---- Metrics ----


def test_metrics_are_what_prometheus_reads(run):
    with client_of(run) as client:
        client.post("/predict", json=ROWS)
        client.post("/predict", json="no rows")
        client.get("/secret/42")
        answer = client.get("/metrics")
    lines = answer.text.splitlines()
    assert answer.text.endswith("\n")
    value = r"[0-9.e+-]+"
    label = r'[a-z]+="[^"]*"'
    line = re.compile(rf"# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{{{label}(,{label})*\}})? {value}")
    assert all(map(line.fullmatch, lines))
    assert 'pellucid_requests_total{path="/predict",status="200"} 1' in lines
    assert 'pellucid_requests_total{path="/predict",status="422"} 1' in lines
    assert 'pellucid_requests_total{path="other",status="404"} 1' in lines
    assert "pellucid_rows_total 2" in lines
    assert 'pellucid_batch_rows_bucket{le="1"} 0' in lines
    assert 'pellucid_batch_rows_bucket{le="2"} 1' in lines
    buckets = [
        int(line.split()[-1]) for line in lines if line.startswith('pellucid_request_seconds_bucket{path="/predict"')
    ]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 2


# ---- The process ----


def test_the_command_serves_until_it_is_interrupted(run, tmp_path):
    run.save(tmp_path / "run")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PELLUCID_TOKEN": "abc"}
    command = [sys.executable, "-m", "pellucid", "serve", tmp_path / "run", "--port", "0", "--host", "0.0.0.0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        address = re.search(r"http://0.0.0.0:\d+", process.stderr.readline())[0].replace("0.0.0.0", "127.0.0.1")
        with httpx.Client(base_url=address, headers={"authorization": "Bearer abc"}, timeout=30) as client:
            for _ in range(3):
                answer = client.post("/predict", json=ROWS)
                assert answer.json()["predictions"] == run.predict(X[:2]).tolist()
            assert httpx.get(address).status_code == 401
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_options_of_the_command_are_checked(run, tmp_path):
    run.save(tmp_path / "run")
    for options, said in (
        (("--host", "0.0.0.0"), "--token TOKEN"),
        (("--max-rows", "0"), "Limits.max_rows (most rows of a request) must be a whole number of at least 1"),
    ):
        result = CliRunner().invoke(main, ["serve", str(tmp_path / "run"), *options], env={"PELLUCID_TOKEN": None})
        assert result.exit_code == 2
        assert said in result.stderr
    help_text = CliRunner().invoke(main, ["serve", "--help"]).stdout
    for text in ("--max-rows INTEGER", "Most rows of a request.", "[default: 10000]", "PELLUCID_TOKEN"):
        assert text in help_text
