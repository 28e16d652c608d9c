"""A server in this process."""

import contextlib
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from pellucid.api import Run
from pellucid.core.errors import InvalidValue, MissingExtra
from pellucid.core.interface import option
from pellucid.serving.app import application
from pellucid.serving.limits import CONNECTIONS, Limits

GRACE = 10
"""Seconds that requests have to be answered once the server is asked to end."""


def serve(
    run: Run,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    limits: Limits | None = None,
    ready: Callable[[str], Any] | None = None,
) -> None:
    """Serve a run until the process is interrupted; see `application`.

    Args:
        run: the run.
        host: the address to listen at. Any but this machine's own (loopback) needs a token.
        port: the port; 0 for a free one.
        token: what requests must bring as ``Authorization: Bearer TOKEN``.
        limits: of requests.
        ready: called with the address once it listens.

    Raises:
        InvalidValue: a host without a token, or one that cannot be listened at.
        MissingExtra: starlette or uvicorn is not installed.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtra("uvicorn", "serve", "Serving a run") from error
    if token is not None and not token.strip():
        raise InvalidValue("the token is empty. Give a long random one, such as that of: openssl rand -hex 32.")
    if token is None and not is_loopback(host):
        raise InvalidValue(
            f"{host!r} can be reached from other machines, which needs a token: {option('token', 'TOKEN')}, a long "
            "random text such as that of: openssl rand -hex 32."
        )
    config = uvicorn.Config(
        application(run, limits, token),
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
    )
    with _listening(host, port) as listener:
        address, number = listener.getsockname()[:2]
        if ready is not None:
            ready(f"http://{f'[{address}]' if ':' in address else address}:{number}")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run([listener])


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(host: str, port: int) -> socket.socket:
    # With its protocol stated: only then does asyncio send small answers at once (TCP_NODELAY), 44 ms earlier.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise InvalidValue(
            f"cannot listen at {host}, port {port}: {reason}. Choose another: {option('port', 0)}."
        ) from error
    return listener
