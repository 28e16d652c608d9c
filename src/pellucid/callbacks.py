"""Code of your own between the epochs of a training, and a few callbacks that are ready."""

from pellucid.report.live_plot import LivePlot as LivePlot
from pellucid.runs.callbacks import TrainingView as TrainingView
from pellucid.runs.ready_callbacks import Every as Every
from pellucid.runs.ready_callbacks import Save as Save
