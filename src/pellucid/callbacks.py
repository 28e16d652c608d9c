"""Code of your own between the epochs of a training, and a few callbacks that are ready."""

from pellucid.report.live_plot import LivePlot as LivePlot
from pellucid.runs.callbacks import TrainingView as TrainingView
from pellucid.runs.ready_callbacks import Every as Every
from pellucid.runs.ready_callbacks import Save as Save
from pellucid.tracking.mlflow import MLflow as MLflow
from pellucid.tracking.tensorboard import TensorBoard as TensorBoard
from pellucid.tracking.wandb import WandB as WandB
