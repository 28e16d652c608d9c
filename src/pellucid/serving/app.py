"""The ASGI application of a run."""

import asyncio
import contextlib
import contextvars
import hmac
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import jax
import msgspec
import numpy as np

from pellucid.api import Run
from pellucid.core.errors import DataError, InvalidValue, MissingExtra, ShapeError, UnknownName
from pellucid.network import rows_at_once, rows_that_fit
from pellucid.serving import arrow
from pellucid.serving.batches import INLINE_SECONDS, Batches
from pellucid.serving.files import media_of, read_file
from pellucid.serving.limits import ANSWER_SECONDS, BODY_SECONDS, EXPLANATIONS, Limits, Refused
from pellucid.serving.metrics import TEXT, Metrics
from pellucid.serving.model import Examples, Model
from pellucid.serving.page import page_of

JSON = "application/json"
PATHS = ("/", "/predict", "/explain", "/schema", "/health", "/metrics")
SMALL_BODY, SMALL_ROWS = 1 << 15, 256
"""Bytes of a body that is read at once, and rows that are; more in a thread, so that others are answered meanwhile."""


def application(run: Run, limits: Limits | None = None, token: str | None = None) -> Any:
    """Make the ASGI application that predicts and explains with a run.

    Args:
        run: the run.
        limits: of requests; see `Limits`.
        token: what requests must bring as ``Authorization: Bearer TOKEN``; None for none. ``/health`` needs none.

    Returns:
        A Starlette application: for uvicorn, any other ASGI server, or to be mounted in another application.

    Raises:
        InvalidValue: a GAN, which predicts nothing.
        MissingExtra: starlette is not installed.

    Example:
        >>> import pellucid as pel
        >>> from starlette.testclient import TestClient
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=2, progress=False)
        >>> with TestClient(application(run)) as client:
        ...     answer = client.post("/predict", json=[[5.1, 3.5, 1.4, 0.2]]).json()
        >>> sorted(answer), len(answer["probabilities"][0])
        (['predictions', 'probabilities'], 3)
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.requests import ClientDisconnect
        from starlette.responses import Response
        from starlette.routing import Route
    except ImportError as error:
        raise MissingExtra("starlette", "serve", "Serving a run") from error

    service = Service(Model(run), limits or Limits())

    def answers(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        async def endpoint(request: Any) -> Response:
            content, kind = await handler(request)
            return Response(content, media_type=kind)

        return endpoint

    async def refused(_: Any, error: Exception) -> Response:
        status = getattr(error, "status", None) or getattr(error, "status_code", None) or 422
        text = getattr(error, "detail", None) or str(error)
        headers = {"Retry-After": "1"} if status == 503 else dict(getattr(error, "headers", None) or {})
        return Response(_json({"error": text}), status, headers, JSON)

    async def gone(_: Any, error: Exception) -> Response:
        return Response(status_code=400)  # nobody reads it

    async def failed(_: Any, error: Exception) -> Response:
        return Response(_json({"error": "the server failed; its log says why."}), 500, media_type=JSON)

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        _ = service.batches  # compiled before the first request; where it is mounted, with it
        yield
        service.close()

    starlette = Starlette(
        routes=[
            Route("/predict", answers(service.predict), methods=["POST"]),
            Route("/explain", answers(service.explain), methods=["POST"]),
            Route("/schema", answers(service.schema)),
            Route("/health", answers(service.health)),
            Route("/metrics", answers(service.scrape)),
            Route("/", answers(service.page(token is not None))),
        ],
        exception_handlers={
            **dict.fromkeys((Refused, HTTPException, DataError, ShapeError, InvalidValue, UnknownName), refused),
            ClientDisconnect: gone,
            Exception: failed,
        },
        lifespan=lifespan,
    )
    starlette.add_middleware(Counted, metrics=service.metrics, token=token)
    return starlette


class Service:
    """The answers of a server, each as content and media type.

    Args:
        model: the run.
        limits: of requests.
    """

    def __init__(self, model: Model, limits: Limits) -> None:
        self.model, self.limits = model, limits
        self.metrics = Metrics(PATHS)
        self.others = ThreadPoolExecutor(1, "explanations")
        """Explanations and translations, one after another."""
        self.coding = ThreadPoolExecutor(1, "coding")
        """Reading of large requests and writing of their answers."""
        self.explaining = 0

    @cached_property
    def batches(self) -> Batches:
        """The forward passes, compiled for every size of batch and measured."""
        self.model.warm_up(self.limits)
        run, shape = self.model.run, self.model.facts.input_shape
        most, seconds = 1, 0.0
        if self.model.facts.task != "translation":
            most = rows_that_fit(run.network, shape)
            for size in sorted({rows_at_once(run.network, shape, 1 << i) for i in range(most.bit_length())}):
                shapes = shape if self.model.facts.inputs else (shape,)
                arrays = tuple(np.zeros((size, *one), np.float32) for one in shapes)
                x = arrays if self.model.facts.inputs else arrays[0]
                self.model.forward(x)
                began = time.perf_counter()
                self.model.forward(x)
                seconds = time.perf_counter() - began
        wait, inline = self.limits.batch_wait / 1000, seconds < INLINE_SECONDS
        return Batches(self.model.forward, most, wait, inline, self.metrics.batches.add)

    def close(self) -> None:
        """Let the threads end."""
        self.batches.close()
        self.others.shutdown(wait=False)
        self.coding.shutdown(wait=False)

    async def predict(self, request: Any) -> tuple[bytes, str]:
        """Predict the rows of a request."""
        unknown = _switch(request, "unknown")
        examples = await self._decoded(request, lambda given: self.model.examples(given, self.limits, unknown))
        async with _within(ANSWER_SECONDS, 503, "the server has more requests than it can answer. Come again."):
            if self.model.facts.task == "translation":
                outputs, mask = await self._in(self.others, lambda: self.model.translations(examples.x)), None
            else:
                outputs, mask = await self.batches.outputs(examples.x)
        self.metrics.rows += examples.rows
        as_arrow = arrow.STREAM in request.headers.get("accept", "")

        def written() -> tuple[bytes, str]:
            return _written(self.model.answer(outputs, mask), examples, self.model, as_arrow)

        return written() if examples.rows <= SMALL_ROWS else await self._in(self.coding, written)

    async def explain(self, request: Any) -> tuple[bytes, str]:
        """Explain the example of a request."""
        if self.explaining >= EXPLANATIONS:
            raise Refused(503, f"{EXPLANATIONS} explanations are waiting already. Come again.")
        given = await self._decoded(request, lambda given: given)
        self.explaining += 1
        try:
            content = await self._in(self.others, lambda: self.model.explained(given, self.limits))
        finally:
            self.explaining -= 1
        return _json(content), JSON

    async def schema(self, request: Any) -> tuple[bytes, str]:
        """What the run takes and answers."""
        return _json(self.model.schema(self.limits)), JSON

    async def health(self, request: Any) -> tuple[bytes, str]:
        """Say that the server is there."""
        return b'{"status":"ok"}', JSON

    async def scrape(self, request: Any) -> tuple[bytes, str]:
        """The metrics."""
        return self.metrics.text().encode(), TEXT

    def page(self, token: bool) -> Callable[[Any], Any]:
        """The page for people."""

        async def show(request: Any) -> tuple[bytes, str]:
            address = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
            return page_of(self.model, self.limits, address, token).encode(), "text/html"

        return show

    async def _decoded(self, request: Any, convert: Callable[[Any], Any]) -> Any:
        """The body of a request, decoded and converted."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        media = media_of(self.model.facts.encoder)
        if kind not in (JSON, arrow.STREAM) and not (media and kind.startswith(media)):
            known = [JSON, arrow.STREAM, *([f"{media}…"] if media else ())]
            raise Refused(
                415,
                f"the body must be {', '.join(known[:-1])} or {known[-1]}. Received: {kind[:80] or 'no Content-Type'}. "
                f"With curl: -H 'Content-Type: {JSON}'.",
            )
        body = await _body(request, self.limits)

        def decode() -> Any:
            if kind == JSON:
                return convert(_from_json(body))
            if kind == arrow.STREAM:
                return convert(arrow.read_stream(body, self.limits))
            return convert(read_file(self.model.facts.encoder, body))

        return decode() if len(body) <= SMALL_BODY else await self._in(self.coding, decode)

    async def _in(self, threads: ThreadPoolExecutor, work: Callable[[], Any]) -> Any:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(threads, context.run, work)


class Counted:
    """Middleware: asks for the token, and counts what is answered.

    Args:
        app: the application.
        metrics: where it is counted.
        token: as for `application`.
    """

    def __init__(self, app: Any, metrics: Metrics, token: str | None) -> None:
        self.app, self.metrics = app, metrics
        self.token = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._allows(scope):
                await self.app(scope, receive, counted)
            else:
                await _unauthorized(counted)
        finally:
            self.metrics.answered(_path(scope), status, time.perf_counter() - began)

    def _allows(self, scope: Any) -> bool:
        if self.token is None or _path(scope) == "/health":
            return True
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return hmac.compare_digest(given, self.token)


def _path(scope: Any) -> str:
    """The path within the application, which may be mounted in another one."""
    return scope["path"].removeprefix(scope.get("root_path", ""))


async def _unauthorized(send: Any) -> None:
    text = "this server asks for its token: -H 'Authorization: Bearer TOKEN'."
    headers = [(b"content-type", JSON.encode()), (b"www-authenticate", b"Bearer")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": _json({"error": text})})


async def _body(request: Any, limits: Limits) -> bytes:
    """The bytes of a body, no more of them than the limit."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise Refused(
            415, f"the body must not be compressed. Received: Content-Encoding {coding[:40]}. Send it as it is."
        )
    too_large = Refused(413, f"the body of a request has at most {limits.max_bytes:,} bytes. Send the rows in parts.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limits.max_bytes:
        raise too_large
    parts, size = [], 0
    async with _within(BODY_SECONDS, 408, f"the body did not arrive within {BODY_SECONDS:g} seconds."):
        async for part in request.stream():
            size += len(part)
            if size > limits.max_bytes:
                raise too_large
            parts.append(part)
    return b"".join(parts)


@contextlib.asynccontextmanager
async def _within(seconds: float, status: int, text: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Refused(status, text) from error


def _from_json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}.") from error


def _json(content: Any) -> bytes:
    return msgspec.json.encode(content)  # NaN and infinity become null


def _switch(request: Any, name: str) -> bool:
    value = request.query_params.get(name, "false")
    if value not in ("true", "false"):
        raise Refused(400, f"?{name} is true or false. Received: {value[:40]!r}.")
    return value == "true"


def _written(answer: dict[str, Any], examples: Examples, model: Model, as_arrow: bool) -> tuple[bytes, str]:
    """An answer as JSON, or as an Arrow stream with a column for each of its arrays."""
    if as_arrow:
        flat = (
            {f"{name} {kind}": one[kind] for name, one in answer.items() for kind in one} if model.outputs else answer
        )
        return arrow.write_stream(flat | examples.beside), arrow.STREAM
    plain = jax.tree.map(lambda array: array.tolist(), answer) | examples.beside
    return _json(plain | ({"notes": examples.notes} if examples.notes else {})), JSON
