"""What notebooks show of runs, histories, comparisons, findings and proofs: pieces of HTML for ``_repr_html_``."""

from collections.abc import Mapping, Sequence
from typing import Any

from pellucid.report.comparison import comparison_blocks
from pellucid.report.doctor import findings_section, proof_section
from pellucid.report.document import Columns, Document
from pellucid.report.html import fragment
from pellucid.report.run_page import verdict
from pellucid.report.training import curve_charts
from pellucid.training import History


def run_html(trained: Any) -> str:
    """Show a run: its verdict and its curves."""
    return fragment(Document(trained.facts.name, verdict(trained, {}), Columns(*curve_charts(trained.history))))


def history_html(history: History) -> str:
    """Show a history: its curves."""
    return fragment(Document("", Columns(*curve_charts(history))))


def comparison_html(comparison: Any) -> str:
    """Show a comparison: its charts and its table."""
    return fragment(Document("", *comparison_blocks(comparison)))


def findings_html(findings: Sequence[Mapping[str, Any]], compared: str | None = None) -> str:
    """Show the findings of a diagnosis, as plain data."""
    return fragment(Document("", *findings_section(findings, compared).blocks))


def proof_html(proof: Mapping[str, Any]) -> str:
    """Show a proof, as plain data."""
    return fragment(Document("", *proof_section(proof).blocks))
