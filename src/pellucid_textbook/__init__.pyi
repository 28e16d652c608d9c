"""The public names of the textbook; see ``pellucid/__init__.pyi``."""

from .catalogue import show as show
from .lessons import lesson as lesson
from .lessons import list_lessons as list_lessons
from .neuron import BiologicalNeuron as BiologicalNeuron
from .neuron import firing_rate_curve as firing_rate_curve
from .perceptron import Perceptron as Perceptron
from .separable import separability as separability
