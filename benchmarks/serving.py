"""Serving a run: requests and rows a second, latency, malformed bodies, memory; and predictions of a pipe."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.malformed import JSON, STREAM, malformed
from benchmarks.measure import Case, Unavailable, say
from benchmarks.reading import COLUMNS, write_table
from benchmarks.workload import Settings, Target, Workload

CONNECTIONS = (1, 16, 64)
BATCH = 1000
SECONDS, QUICK_SECONDS = 10.0, 1.0
MALFORMED, QUICK_MALFORMED = 1_000, 105
REQUESTS, QUICK_REQUESTS = 100_000, 2_000
PIPED, QUICK_PIPED = 300_000, 3_000


class Load(NamedTuple):
    """What a client measured: requests a second, and milliseconds of half and of all but a hundredth of them."""

    requests: float
    p50: float
    p99: float


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, int]]:
    """A server of the run in a folder: its address and its process."""
    command = [sys.executable, "-m", "pellucid", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        match = re.search(r"http://\S+", line)
        if match is None:
            raise RuntimeError(f"no server: {line}{process.stderr.read()}")
        try:
            yield match[0], process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def load(address: str, body: bytes, kind: str, connections: int, seconds: float) -> Load:
    """Send the same request again and again, by wrk where it is installed."""
    if shutil.which("wrk") is None:
        return _load_by_threads(address, body, kind, connections, seconds)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(body)
        script = Path(folder) / "post.lua"
        script.write_text(
            f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "{kind}"\n'
            f'wrk.body = io.open("{folder}/body", "rb"):read("*a")\n'
            "done = function(summary, latency)\n"
            "  io.write(string.format('%d %d %d %d %d\\n', summary.requests, summary.duration, summary.errors.status,"
            " latency:percentile(50), latency:percentile(99)))\nend\n"
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(script), f"{address}/predict"]
        last = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    requests, duration, errors, p50, p99 = map(int, last.split())
    if errors:
        raise RuntimeError(f"{errors} of {requests} requests were refused")
    return Load(requests / duration * 1e6, p50 / 1e3, p99 / 1e3)


def _load_by_threads(address: str, body: bytes, kind: str, connections: int, seconds: float) -> Load:
    until, latencies = time.perf_counter() + seconds, []

    def client() -> None:
        connection = _connection(address)
        while (began := time.perf_counter()) < until:
            connection.request("POST", "/predict", body, {"Content-Type": kind})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            latencies.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p99 = np.percentile(latencies, (50, 99)) * 1e3
    return Load(len(latencies) / seconds, float(p50), float(p99))


def _connection(address: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=60)


def server_errors(address: str, example: Any, count: int) -> int:
    """How many of so many malformed requests the server fails at: no answer, or one of its own faults."""
    failures = 0
    for request in malformed(example, count):
        connection = _connection(address)
        try:
            headers = {"Content-Type": request.content_type, **(request.headers or {})}
            connection.request("POST", urllib.parse.quote(f"/predict{request.query}", "/?="), request.body, headers)
            status = connection.getresponse().status
        except ConnectionError:  # a body beyond the limit is refused before it has arrived
            status = 413 if request.kind == "too large" else 500
        finally:
            connection.close()
        if status >= 500:
            failures += 1
            say(f"{request.kind}: {status} for {request.body[:100]!r}")
    return failures


def resident(process: int) -> float:
    """The resident memory of a process in MiB."""
    if not sys.platform.startswith("linux"):
        raise Unavailable("memory is read from /proc, which Linux has")
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def piped(folder: Path, path: Path) -> float:
    """Seconds of a whole process that predicts the rows of a pipe."""
    began = time.perf_counter()
    with open(path, "rb") as source, open(os.devnull, "wb") as sink:
        command = [sys.executable, "-m", "pellucid", "predict", str(folder), "-"]
        subprocess.run(command, stdin=source, stdout=sink, stderr=sink, check=True)
    return time.perf_counter() - began


def prepare(folder: Path, rows: int) -> dict[str, Any]:
    """Train a run, write rows to predict, and return a row."""
    import warnings

    import pellucid as pel

    write_table(folder / "small.csv", 2_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pel.load_table(folder / "small.csv", "y")
        pel.train((128,), data, epochs=1, progress=False, folder=folder / "run")
    write_table(folder / "new.csv", rows)
    names, *lines = (folder / "new.csv").read_text().splitlines()
    header = names.split(",")[:-1]
    with open(folder / "new.jsonl", "w") as file:
        for line in lines:
            *numbers, city, _ = line.split(",")
            file.write(json.dumps(dict(zip(header, [*map(float, numbers), city], strict=True))) + "\n")
    return dict.fromkeys(header[:-1], 0.5) | {"city": "Rome"}


def measure(settings: Settings) -> list[Case]:
    """Load a server, send it nonsense, watch its memory; then predict the rows of pipes."""
    import pyarrow as pa

    quick = settings.quick
    seconds, count, nonsense = (
        (QUICK_SECONDS, QUICK_REQUESTS, QUICK_MALFORMED) if quick else (SECONDS, REQUESTS, MALFORMED)
    )
    folder, rows = Path(tempfile.mkdtemp()), QUICK_PIPED if quick else PIPED
    row = prepare(folder, rows)
    one, many = json.dumps([row]).encode(), json.dumps([row] * BATCH).encode()
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist([row] * BATCH)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    names = {connections: f"{connections} connection{'s' * (connections > 1)}" for connections in CONNECTIONS}
    requests = Case("requests of one row", "a second", names[1], {name: [] for name in names.values()})
    latency = {c: Case(f"latency, {name}", "ms", "median", {"median": [], "p99": []}) for c, name in names.items()}
    batches = Case(f"rows in requests of {BATCH:,}", "a second", "JSON", {"JSON": [], "Arrow": []})
    with serving(folder / "run") as (address, process):
        load(address, one, JSON, 16, seconds)
        for number in range(settings.rounds):
            for connections, name in names.items():
                measured = load(address, one, JSON, connections, seconds)
                requests.samples[name].append(measured.requests)
                latency[connections].samples["median"].append(measured.p50)
                latency[connections].samples["p99"].append(measured.p99)
                say(f"round {number + 1}, {name}: {measured}")
            for name, body, kind in (("JSON", many, JSON), ("Arrow", sink.getvalue().to_pybytes(), STREAM)):
                batches.samples[name].append(BATCH * load(address, body, kind, 4, seconds).requests)
        failures = server_errors(address, [row], nonsense)
        before = resident(process)
        sent = 0.0
        while sent < count:
            sent += load(address, one, JSON, 16, seconds).requests * seconds
            say(f"{sent:,.0f} requests: {resident(process):.0f} MiB")
        after = resident(process)
    pipes = Case("rows of a pipe", "a second", "JSON lines", {"JSON lines": [], "separated values": []})
    for _ in range(settings.rounds):
        for name, path in (("JSON lines", "new.jsonl"), ("separated values", "new.csv")):
            pipes.samples[name].append(rows / piped(folder / "run", folder / path))
    return [
        requests,
        *latency.values(),
        batches,
        Case(
            f"malformed requests, {MALFORMED:,}", "% answered", "server", {"server": [100 * (1 - failures / nonsense)]}
        ),
        Case(f"memory, {REQUESTS:,} requests", "MiB", "before", {"before": [before], "after": [after]}),
        pipes,
    ]


WORKLOAD = Workload(
    "serving",
    "Serving a run, and predicting the rows of a pipe",
    f"A network of 128 units on a table of {COLUMNS - 1} columns, served by `pellucid serve` on loopback and loaded by "
    "wrk (where it is missing, by threads of Python) from the same machine, some of whose cores that takes. A request "
    f"is one row, or {BATCH:,}, as JSON or as an Arrow stream. The malformed requests are those of "
    "`benchmarks/malformed.py`, drawn from a seed; answered is one with a status below 500. Memory is what the "
    f"server's process holds after all of these, and after {REQUESTS:,} requests more. The pipes are whole processes, "
    f"`pellucid predict RUN -`, over {PIPED:,} rows.",
    measure,
    (
        Target(
            f"malformed requests, {MALFORMED:,}", "all are answered", lambda case: case.spread("server").median, 100
        ),
        Target(
            f"memory, {REQUESTS:,} requests",
            "at most 1.05 times as much after as before",
            lambda case: case.ratio("after").median,
            1.05,
            at_least=False,
        ),
        Target(
            "rows of a pipe",
            "at least 20,000 JSON lines a second",
            lambda case: case.spread("JSON lines").median,
            20_000,
        ),
    ),
)
