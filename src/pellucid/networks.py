"""Builders of networks for a dataset."""

from pellucid.architectures.autoencoder import autoencoder as autoencoder
from pellucid.architectures.autoencoder import convolutional_autoencoder as convolutional_autoencoder
from pellucid.architectures.convolutional import convolutional as convolutional
from pellucid.architectures.feedforward import feedforward as feedforward
from pellucid.architectures.gan import GAN as GAN
from pellucid.architectures.gan import gan as gan
from pellucid.architectures.recurrent import recurrent as recurrent
from pellucid.architectures.spiking import spiking as spiking
from pellucid.architectures.translator import translator as translator
