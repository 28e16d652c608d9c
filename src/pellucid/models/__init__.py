"""Ready models built of the floors below, training from one call, and runs."""

from pellucid.models.experiment import Experiment
from pellucid.models.feedforward import feedforward
from pellucid.models.perceptron import FittedPerceptron, Gate, LearningStep, Perceptron, and_gate
from pellucid.models.run import Run, load_run
from pellucid.models.separability import Certificate, NotSeparable, Separable, separability
from pellucid.models.spam import SpamDetection, spam_detection
from pellucid.models.train import resume_run, train

__all__ = [
    "Certificate",
    "Experiment",
    "FittedPerceptron",
    "Gate",
    "LearningStep",
    "NotSeparable",
    "Perceptron",
    "Run",
    "Separable",
    "SpamDetection",
    "and_gate",
    "feedforward",
    "load_run",
    "resume_run",
    "separability",
    "spam_detection",
    "train",
]
