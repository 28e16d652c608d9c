"""Loss functions and their gradients."""

from pellucid.functions.losses import BinaryCrossEntropy as BinaryCrossEntropy
from pellucid.functions.losses import CategoricalCrossEntropy as CategoricalCrossEntropy
from pellucid.functions.losses import Hinge as Hinge
from pellucid.functions.losses import Huber as Huber
from pellucid.functions.losses import JointLoss as JointLoss
from pellucid.functions.losses import KLDivergence as KLDivergence
from pellucid.functions.losses import LogCosh as LogCosh
from pellucid.functions.losses import Loss as Loss
from pellucid.functions.losses import MeanAbsoluteError as MeanAbsoluteError
from pellucid.functions.losses import MeanSquaredError as MeanSquaredError
from pellucid.functions.losses import SigmoidBinaryCrossEntropy as SigmoidBinaryCrossEntropy
from pellucid.functions.losses import SoftmaxCrossEntropy as SoftmaxCrossEntropy
from pellucid.functions.losses import SparseCategoricalCrossEntropy as SparseCategoricalCrossEntropy
from pellucid.functions.losses import SparseSoftmaxCrossEntropy as SparseSoftmaxCrossEntropy
from pellucid.functions.losses import SquaredHinge as SquaredHinge
from pellucid.functions.losses import Wasserstein as Wasserstein
from pellucid.functions.losses import losses as _registry

register = _registry.register
