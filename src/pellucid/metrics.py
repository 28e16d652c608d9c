"""Metrics: what is reported beside the loss."""

from pellucid.functions.metrics import AbsoluteError as AbsoluteError
from pellucid.functions.metrics import Accuracy as Accuracy
from pellucid.functions.metrics import BinaryAccuracy as BinaryAccuracy
from pellucid.functions.metrics import Metric as Metric
from pellucid.functions.metrics import SquaredError as SquaredError
from pellucid.functions.metrics import Top5Accuracy as Top5Accuracy
from pellucid.functions.metrics import TopKAccuracy as TopKAccuracy
from pellucid.functions.metrics import metrics as _registry
from pellucid.functions.set_metrics import F1 as F1
from pellucid.functions.set_metrics import R2 as R2
from pellucid.functions.set_metrics import ROCAUC as ROCAUC
from pellucid.functions.set_metrics import Answers as Answers
from pellucid.functions.set_metrics import AveragePrecision as AveragePrecision
from pellucid.functions.set_metrics import BalancedAccuracy as BalancedAccuracy
from pellucid.functions.set_metrics import BrierScore as BrierScore
from pellucid.functions.set_metrics import ExpectedCalibrationError as ExpectedCalibrationError
from pellucid.functions.set_metrics import LogLoss as LogLoss
from pellucid.functions.set_metrics import MatthewsCorrelation as MatthewsCorrelation
from pellucid.functions.set_metrics import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from pellucid.functions.set_metrics import Precision as Precision
from pellucid.functions.set_metrics import Recall as Recall
from pellucid.functions.set_metrics import RootMeanSquaredError as RootMeanSquaredError
from pellucid.functions.set_metrics import SetMetric as SetMetric
from pellucid.functions.transcription import LabelErrorRate as LabelErrorRate
from pellucid.functions.transcription import SequenceAccuracy as SequenceAccuracy

register = _registry.register
