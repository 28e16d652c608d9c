"""Metrics: what is reported beside the loss."""

from pellucid.functions.metrics import AbsoluteError as AbsoluteError
from pellucid.functions.metrics import Accuracy as Accuracy
from pellucid.functions.metrics import BinaryAccuracy as BinaryAccuracy
from pellucid.functions.metrics import Metric as Metric
from pellucid.functions.metrics import SquaredError as SquaredError
from pellucid.functions.metrics import Top5Accuracy as Top5Accuracy
from pellucid.functions.metrics import metrics as _registry

register = _registry.register
