"""Penalties on weights and activities, and Lipschitz constraints of a critic."""

from pellucid.functions.regularizers import L1 as L1
from pellucid.functions.regularizers import L2 as L2
from pellucid.functions.regularizers import ElasticNet as ElasticNet
from pellucid.functions.regularizers import KLActivity as KLActivity
from pellucid.functions.regularizers import L1Activity as L1Activity
from pellucid.functions.regularizers import Regularizer as Regularizer
from pellucid.functions.regularizers import Sparsity as Sparsity
from pellucid.functions.regularizers import regularizers as _registry
from pellucid.training.lipschitz import GradientPenalty as GradientPenalty
from pellucid.training.lipschitz import LipschitzConstraint as LipschitzConstraint
from pellucid.training.lipschitz import WeightClipping as WeightClipping

register = _registry.register
