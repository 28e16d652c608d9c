"""Initial values of weights and biases."""

from pellucid.functions.initializers import Constant as Constant
from pellucid.functions.initializers import GlorotNormal as GlorotNormal
from pellucid.functions.initializers import GlorotUniform as GlorotUniform
from pellucid.functions.initializers import HeNormal as HeNormal
from pellucid.functions.initializers import HeUniform as HeUniform
from pellucid.functions.initializers import Initializer as Initializer
from pellucid.functions.initializers import LecunNormal as LecunNormal
from pellucid.functions.initializers import LecunUniform as LecunUniform
from pellucid.functions.initializers import Normal as Normal
from pellucid.functions.initializers import Ones as Ones
from pellucid.functions.initializers import Orthogonal as Orthogonal
from pellucid.functions.initializers import TruncatedNormal as TruncatedNormal
from pellucid.functions.initializers import Uniform as Uniform
from pellucid.functions.initializers import Zeros as Zeros
from pellucid.functions.initializers import initializers as _registry

register = _registry.register
