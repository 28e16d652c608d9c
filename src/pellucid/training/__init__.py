"""Training: the compiled program, the recorder, the loop around them."""

from pellucid.training.adversarial import Adversarial as Adversarial
from pellucid.training.history import History as History
from pellucid.training.lipschitz import GradientPenalty as GradientPenalty
from pellucid.training.lipschitz import WeightClipping as WeightClipping
from pellucid.training.lipschitz import lipschitz_constraints as lipschitz_constraints
from pellucid.training.loop import Progress as Progress
from pellucid.training.loop import Training as Training
from pellucid.training.program import advance as advance
from pellucid.training.recorder import DEFAULT_GROUPS as DEFAULT_GROUPS
from pellucid.training.recorder import GROUPS as GROUPS
from pellucid.training.recorder import MEASURES as MEASURES
from pellucid.training.recorder import Recorder as Recorder
from pellucid.training.rows import Rows as Rows
from pellucid.training.rows import Scaling as Scaling
from pellucid.training.rows import TargetScaling as TargetScaling
from pellucid.training.rows import permutation as permutation
from pellucid.training.rows import steps_per_epoch as steps_per_epoch
from pellucid.training.snapshots import Snapshots as Snapshots
from pellucid.training.snapshots import SnapshotTaker as SnapshotTaker
from pellucid.training.snapshots import arrays_of as arrays_of
from pellucid.training.state import TrainingState as TrainingState
from pellucid.training.state import from_arrays as from_arrays
from pellucid.training.state import initial_state as initial_state
from pellucid.training.state import to_arrays as to_arrays
from pellucid.training.stopping import EarlyStopping as EarlyStopping
from pellucid.training.supervised import Supervised as Supervised
