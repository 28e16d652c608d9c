"""Learning rates that change during training."""

from pellucid.functions.schedules import CosineDecay as CosineDecay
from pellucid.functions.schedules import CosineRestarts as CosineRestarts
from pellucid.functions.schedules import ExponentialDecay as ExponentialDecay
from pellucid.functions.schedules import InverseDecay as InverseDecay
from pellucid.functions.schedules import OneCycle as OneCycle
from pellucid.functions.schedules import OnPlateau as OnPlateau
from pellucid.functions.schedules import Schedule as Schedule
from pellucid.functions.schedules import StepDecay as StepDecay
from pellucid.functions.schedules import WarmUp as WarmUp
from pellucid.functions.schedules import schedules as _registry

register = _registry.register
