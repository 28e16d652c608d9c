"""Loss functions and their gradients."""

from pellucid.functions.ctc import CTC as CTC
from pellucid.functions.ctc import ctc_decode as ctc_decode
from pellucid.functions.focal import BinaryFocal as BinaryFocal
from pellucid.functions.focal import CategoricalFocal as CategoricalFocal
from pellucid.functions.focal import SigmoidFocal as SigmoidFocal
from pellucid.functions.focal import SoftmaxFocal as SoftmaxFocal
from pellucid.functions.focal import SparseCategoricalFocal as SparseCategoricalFocal
from pellucid.functions.focal import SparseSoftmaxFocal as SparseSoftmaxFocal
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
from pellucid.functions.losses import PerceptronCriterion as PerceptronCriterion
from pellucid.functions.losses import PerOutput as PerOutput
from pellucid.functions.losses import SigmoidBinaryCrossEntropy as SigmoidBinaryCrossEntropy
from pellucid.functions.losses import SoftmaxCrossEntropy as SoftmaxCrossEntropy
from pellucid.functions.losses import SparseCategoricalCrossEntropy as SparseCategoricalCrossEntropy
from pellucid.functions.losses import SparseSoftmaxCrossEntropy as SparseSoftmaxCrossEntropy
from pellucid.functions.losses import SquaredHinge as SquaredHinge
from pellucid.functions.losses import Wasserstein as Wasserstein
from pellucid.functions.losses import losses as _registry
from pellucid.functions.losses_of_numbers import Contrastive as Contrastive
from pellucid.functions.losses_of_numbers import Cosine as Cosine
from pellucid.functions.losses_of_numbers import LogPoisson as LogPoisson
from pellucid.functions.losses_of_numbers import Poisson as Poisson
from pellucid.functions.losses_of_numbers import Quantile as Quantile

register = _registry.register
