"""Training: the compiled program, the recorder, the loop around them."""

from pellucid.training.adversarial import Adversarial
from pellucid.training.history import History
from pellucid.training.lipschitz import GradientPenalty, LipschitzConstraint, WeightClipping, lipschitz_constraints
from pellucid.training.loop import EarlyStopping, Learned, Progress, Training
from pellucid.training.program import Program, Step, advance
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
    "Learned",
    "Program",
    "Progress",
    "Recorder",
    "LipschitzConstraint",
    "Rows",
    "Scaling",
    "SnapshotTaker",
    "Snapshots",
    "Step",
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
