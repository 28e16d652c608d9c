"""Networks as estimators of scikit-learn: `fit`, `predict`, pipelines and searches, under its names."""

from pellucid.sklearn.mlp import MLPClassifier as MLPClassifier
from pellucid.sklearn.mlp import MLPRegressor as MLPRegressor
