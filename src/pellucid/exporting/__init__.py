"""Runs as files that other programs run: ONNX, StableHLO, NumPy."""

from pellucid.exporting.export import Exported as Exported
from pellucid.exporting.export import export as export
