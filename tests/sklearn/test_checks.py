"""scikit-learn's own checks of estimators."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from pellucid.sklearn import (
    GAN,
    Autoencoder,
    CNNClassifier,
    LSTMClassifier,
    LSTMRegressor,
    MLPClassifier,
    MLPRegressor,
    Perceptron,
)

ROUNDING = "computed in float32: equal to 1e-6, and the check asks for 1e-7"
BATCHES = "weights are equivalent to repeated rows only where a batch holds all rows"
INPUTS_SCALED = "inputs are scaled by mean and standard deviation of the rows, whatever they weigh"

WHOLE = {MLPClassifier(max_iter=100): ROUNDING, MLPRegressor(max_iter=60): ROUNDING}
"""Estimators that take every check, and why weights are no repetitions."""
OWN = {
    CNNClassifier((8,), (), max_iter=60, learning_rate_init=0.02): INPUTS_SCALED,
    LSTMClassifier((8,), max_iter=30, learning_rate_init=0.05): INPUTS_SCALED,
    LSTMRegressor((8,), max_iter=40, learning_rate_init=0.05): INPUTS_SCALED,
    Perceptron(alpha=0.01): BATCHES,
    Autoencoder(hidden_layer_sizes=(4,), max_iter=3): INPUTS_SCALED,
    GAN(max_iter=1, latent=2): "",
}
"""Estimators that share the code of those: they take the checks of what is their own. ``python -m benchmarks
estimators`` takes all of them."""
OF_OWN = {
    "check_class_weight_classifiers",
    "check_classifiers_train",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_regressors_train",
    "check_set_params",
    "check_transformer_general",
    "check_valid_tag_types",
}


def expected(reason):
    names = ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")
    return dict.fromkeys(names, reason)


def name_of(check):
    return check.func.__name__ if hasattr(check, "func") else check.__name__


def checks():
    for estimators, whole in ((WHOLE, True), (OWN, False)):
        for estimator, reason in estimators.items():
            failing = expected(reason)
            for one, check in estimator_checks_generator(estimator):
                name = name_of(check)
                if name == "check_array_api_input":  # needs an environment variable before the first import
                    continue
                if whole or name in OF_OWN:
                    marks = [pytest.mark.xfail(reason=reason, strict=True)] if name in failing else []
                    yield pytest.param(one, check, id=f"{type(estimator).__name__}-{name}", marks=marks)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
