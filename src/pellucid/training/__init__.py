"""Training: the compiled program, the recorder, the loop around them."""

from pellucid.training.adversarial import Adversarial
from pellucid.training.history import History
from pellucid.training.lipschitz import GradientPenalty, WeightClipping, lipschitz_constraints
from pellucid.training.loop import EarlyStopping, Progress, Training
from pellucid.training.program import advance
from pellucid.training.recorder import DEFAULT_GROUPS, GROUPS, MEASURES, Recorder
from pellucid.training.rows import Rows, Scaling, TargetScaling, permutation, steps_per_epoch
from pellucid.training.snapshots import Snapshots, SnapshotTaker, arrays_of
from pellucid.training.state import TrainingState, from_arrays, initial_state, to_arrays
from pellucid.training.supervised import Supervised

__all__ = [
    "DEFAULT_GROUPS",
    "GROUPS",
    "MEASURES",
    "Adversarial",
    "EarlyStopping",
    "GradientPenalty",
    "History",
    "Progress",
    "Recorder",
    "Rows",
    "Scaling",
    "SnapshotTaker",
    "Snapshots",
    "Supervised",
    "TargetScaling",
    "Training",
    "TrainingState",
    "WeightClipping",
    "advance",
    "arrays_of",
    "from_arrays",
    "initial_state",
    "permutation",
    "lipschitz_constraints",
    "steps_per_epoch",
    "to_arrays",
]
