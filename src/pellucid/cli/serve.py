"""``pellucid serve``."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import say


def limit_options(command: Any) -> Any:
    """Decorator: an option for each limit."""
    from pellucid.serving.limits import Limits

    for field in reversed(fields(Limits)):
        option = f"--{field.name.replace('_', '-')}"
        text = f"{field.metadata['help'][0].upper()}{field.metadata['help'][1:]}."
        kind = int if isinstance(field.default, int) else float
        command = click.option(option, type=kind, default=field.default, show_default=True, help=text)(command)
    return command


@click.command(
    epilog="""\b
Examples:
  pellucid serve runs/houses-128-001
  pellucid serve runs/houses-128-001 --port 9000 --max-rows 100
  PELLUCID_TOKEN=$(openssl rand -hex 32) pellucid serve runs/houses-128-001 --host 0.0.0.0
  curl http://127.0.0.1:8000/schema
  curl http://127.0.0.1:8000/predict -H 'Content-Type: application/json' -d '[{"rooms": 4, "town": "Rome"}]'
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; others need a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 for a free one.")
@click.option(
    "--token",
    envvar="PELLUCID_TOKEN",
    show_envvar=True,
    help="What requests must bring: 'Authorization: Bearer TOKEN'.",
)
@limit_options
def serve(run: Path, host: str, port: int, token: str | None, **limits: Any) -> None:
    """Serve a saved RUN over HTTP: JSON and Arrow in, predictions, probabilities and explanations out.

    POST /predict, POST /explain, GET /schema, /health, /metrics; GET / is a page with an example. Requests that come
    at the same time are predicted together. Ctrl-C ends it.
    """
    from pellucid.api import load
    from pellucid.serving import Limits
    from pellucid.serving import serve as serve_run

    loaded = load(run)
    serve_run(
        loaded,
        host=host,
        port=port,
        token=token,
        limits=Limits(**limits),
        ready=lambda address: say(f"{loaded.name} at {address} (Ctrl-C ends it)"),
    )
