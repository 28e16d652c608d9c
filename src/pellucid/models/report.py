"""The page of a run: settings, network, results. Self-contained, nothing fetched, the same bytes for the same run."""

import html
from typing import Any

from pellucid.network import Summary
from pellucid.training import History

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem;color:#111;background:#fff}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ccc}"
    "td:first-child,th:first-child{text-align:left}pre{overflow-x:auto}div{overflow-x:auto}"
)


def render_report(
    title: str, settings: str, summary: Summary | str, history: History, result: dict[str, Any]
) -> str:
    """The page as HTML.

    Args:
        title: what was trained on what.
        settings: the experiment as TOML.
        summary: the network's table, or those of several.
        history: what was measured.
        result: the figures on the held-out rows.
    """
    results = "".join(
        f"<tr><td>{html.escape(name.replace('_', ' '))}</td><td>{_number(value)}</td></tr>"
        for name, value in result.items()
    )
    table = history.epochs
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in table)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_number(column[i])}</td>" for column in table.values()) + "</tr>"
        for i in range(history.epochs_made)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{html.escape(title)}</h1>"
        f"<h2>Result</h2><table>{results}</table>"
        f"<h2>Network</h2><pre>{html.escape(str(summary))}</pre>"
        f"<h2>Epochs</h2><div><table><tr>{head}</tr>{rows}</table></div>"
        f"<h2>Settings</h2><p>To run it again: <code>pellucid train experiment.toml</code></p>"
        f"<pre>{html.escape(settings)}</pre></body></html>\n"
    )


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
