"""Ready models built of the floors below, training from one call, and runs."""

from pellucid.models.autoencoder import Autoencoder, autoencoder, convolutional_autoencoder
from pellucid.models.compare import Comparison, compare
from pellucid.models.convolutional import convolutional
from pellucid.models.experiment import Experiment
from pellucid.models.feedforward import feedforward
from pellucid.models.gan import gan_networks, resume_gan, train_gan
from pellucid.models.gan_run import GanRun, load_gan
from pellucid.models.neuron import BiologicalNeuron, FiringRateCurve, Recording, firing_rate_curve
from pellucid.models.perceptron import FittedPerceptron, Gate, LearningStep, Perceptron, and_gate
from pellucid.models.population import train_population, vary
from pellucid.models.recurrent import recurrent
from pellucid.models.run import Run, load_run
from pellucid.models.separability import Certificate, NotSeparable, Separable, separability
from pellucid.models.spam import SpamDetection, spam_detection
from pellucid.models.spiking import spiking
from pellucid.models.train import Plan, plan, resume_run, train
from pellucid.models.translation import Translator, translator

__all__ = [
    "Autoencoder",
    "BiologicalNeuron",
    "Certificate",
    "Comparison",
    "Experiment",
    "FiringRateCurve",
    "FittedPerceptron",
    "GanRun",
    "Gate",
    "LearningStep",
    "NotSeparable",
    "Perceptron",
    "Plan",
    "Recording",
    "Run",
    "Separable",
    "SpamDetection",
    "Translator",
    "and_gate",
    "autoencoder",
    "compare",
    "convolutional",
    "convolutional_autoencoder",
    "feedforward",
    "firing_rate_curve",
    "gan_networks",
    "load_gan",
    "load_run",
    "plan",
    "recurrent",
    "resume_gan",
    "resume_run",
    "separability",
    "spam_detection",
    "spiking",
    "train",
    "train_gan",
    "train_population",
    "translator",
    "vary",
]
