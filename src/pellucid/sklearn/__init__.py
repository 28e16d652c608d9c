"""Networks as estimators of scikit-learn: its `fit` and `predict`, pipelines and searches."""

from pellucid.sklearn.autoencoder import Autoencoder as Autoencoder
from pellucid.sklearn.convolutional import CNNClassifier as CNNClassifier
from pellucid.sklearn.gan import GAN as GAN
from pellucid.sklearn.mlp import MLPClassifier as MLPClassifier
from pellucid.sklearn.mlp import MLPRegressor as MLPRegressor
from pellucid.sklearn.perceptron import Perceptron as Perceptron
from pellucid.sklearn.recurrent import LSTMClassifier as LSTMClassifier
from pellucid.sklearn.recurrent import LSTMRegressor as LSTMRegressor
