"""Colours and line styles of matplotlib figures."""

from pellucid.report.drawing import COLOURS as COLOURS

STYLES = ("-", "--", "-.", ":")
