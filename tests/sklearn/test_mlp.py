"""The behaviour of scikit-learn's multilayer perceptron, and its weights where the order of the rows is the same."""

import warnings

import joblib
import numpy as np
import pytest
import sklearn.neural_network as theirs
from scipy.sparse import csr_array
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import PoissonRegressor
from sklearn.preprocessing import scale

from pellucid.core.errors import DataError, InvalidValue
from pellucid.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = load_iris(return_X_y=True)
X, Y = load_digits(n_class=3, return_X_y=True)
DIGITS = X[:120] / 16, Y[:120]
TWO = X[Y < 2][:100] / 16, Y[Y < 2][:100]
X, Y = make_regression(n_samples=120, n_features=5, bias=20.0, noise=10.0, random_state=7)
NUMBERS = X, scale(Y)
SEVERAL = make_regression(n_samples=120, n_features=5, n_targets=2, random_state=7)
LABELS = make_multilabel_classification(n_samples=50, random_state=0)
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")

SAME = {
    "sgd, small batches": (MLPClassifier, DIGITS, {"solver": "sgd", "learning_rate_init": 0.1, "batch_size": 32}),
    "nesterov off": (MLPClassifier, TWO, {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.1}),
    "no momentum, penalty": (MLPRegressor, NUMBERS, {"solver": "sgd", "momentum": 0, "alpha": 3.0}),
    "invscaling": (
        MLPRegressor,
        NUMBERS,
        {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0, "learning_rate_init": 0.1, "power_t": 0.3},
    ),
    "several numbers": (MLPRegressor, SEVERAL, {"solver": "sgd", "learning_rate_init": 1e-4, "momentum": 0.5}),
    "several labels": (MLPClassifier, LABELS, {"solver": "sgd", "activation": "logistic"}),
    "adam": (MLPClassifier, IRIS, {"alpha": 0.0, "activation": "tanh", "epsilon": 1e-12}),
}


def peer(estimator):
    kind = getattr(theirs, type(estimator).__name__)
    named = kind().get_params()
    return kind(**{name: value for name, value in estimator.get_params().items() if name in named})


def weights(fitted):
    return [np.asarray(array, float) for array in (*fitted.coefs_, *fitted.intercepts_)]


@pytest.mark.parametrize("name", SAME)
def test_epochs_without_shuffling_end_in_the_weights_of_scikit_learn(name):
    kind, (x, y), settings = SAME[name]
    ours = kind((6,), shuffle=False, max_iter=8, random_state=3, **settings) if kind is MLPClassifier else kind(
        hidden_layer_sizes=(6,), shuffle=False, max_iter=8, random_state=3, **settings
    )  # fmt: skip
    other = peer(ours).fit(x, y)
    ours.fit(x, y)
    for one, two in zip(weights(ours), weights(other), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-4, atol=2e-5)
    assert ours.out_activation_ == other.out_activation_
    assert (ours.n_iter_, ours.t_, ours.n_layers_, ours.n_outputs_) == (8, other.t_, 3, other.n_outputs_)
    if name != "several numbers":  # of which scikit-learn reports the mean and descends on the sum
        np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_lbfgs_ends_where_that_of_scikit_learn_does(activation):
    x, y = DIGITS[0].astype(np.float32), DIGITS[1]
    ours = MLPClassifier((4,), activation=activation, solver="lbfgs", alpha=0.1, max_iter=15, random_state=1)
    other = peer(ours).fit(x.astype(float), y)
    ours.fit(x, y)
    assert ours.loss_ == pytest.approx(other.loss_, rel=1e-4)
    assert ours.score(x, y) > 0.95
    assert all(coef.dtype == np.float64 for coef in ours.coefs_)


def test_lbfgs_of_numbers_labels_and_sparse_matrices():
    assert MLPRegressor(hidden_layer_sizes=20, solver="lbfgs", random_state=1).fit(*SEVERAL).score(*SEVERAL) > 0.98
    labels = MLPClassifier(20, solver="lbfgs", random_state=0).fit(*LABELS)
    assert labels.score(*LABELS) > 0.97
    probabilities = labels.predict_proba(LABELS[0])
    assert ((probabilities > 0.5) == LABELS[1]).all()
    sparse = MLPClassifier(20, solver="lbfgs", random_state=0).fit(csr_array(LABELS[0]), LABELS[1])
    np.testing.assert_array_equal(sparse.predict_proba(csr_array(LABELS[0])), probabilities)


def test_max_fun_ends_lbfgs():
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        ours = MLPClassifier(4, solver="lbfgs", max_fun=10, random_state=1).fit(*DIGITS)
    assert ours.n_iter_ <= 10


def test_a_poisson_loss_without_bends_is_the_linear_model():
    x = np.linspace(0, 1, 100)
    y = np.random.default_rng(0).poisson(np.exp(x + 1))
    linear = PoissonRegressor(alpha=0, tol=1e-7).fit(x[:, None], y)
    ours = MLPRegressor("poisson", (1,), "identity", alpha=0, solver="lbfgs", tol=1e-7, random_state=1)
    ours.fit(x[:, None], y)
    np.testing.assert_allclose(ours.predict(x[:, None]), linear.predict(x[:, None]), rtol=1e-4)
    assert ours.out_activation_ == "exp"


def test_a_larger_alpha_makes_weights_smaller():
    fitted = [MLPClassifier(5, alpha=alpha, random_state=1).fit(*TWO) for alpha in (0, 9)]
    assert np.greater(*[[np.abs(coef).sum() for coef in one.coefs_] for one in fitted]).all()


@pytest.mark.parametrize(("kind", "data"), [(MLPClassifier, DIGITS), (MLPClassifier, TWO), (MLPRegressor, NUMBERS)])
def test_epochs_one_by_one_are_those_of_one_fit(kind, data):
    settings = {"hidden_layer_sizes": (6,), "solver": "sgd", "learning_rate_init": 0.1, "batch_size": 32, "tol": 0.0}
    whole = kind(max_iter=20, n_iter_no_change=99, random_state=1, **settings).fit(*data)
    parts = kind(random_state=1, **settings)
    known = {"classes": np.unique(data[1])} if kind is MLPClassifier else {}
    for _ in range(20):
        parts.partial_fit(*data, **known)
    for one, two in zip(weights(whole), weights(parts), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(whole.loss_curve_, parts.loss_curve_)
    assert (whole.n_iter_, parts.n_iter_) == (20, 1)


def test_partial_fit_wants_to_know_all_classes():
    ours = MLPClassifier(3, random_state=0)
    with pytest.raises(ValueError, match="classes must be passed"):
        ours.partial_fit([[1.0]], ["a"])
    ours.partial_fit([[1.0], [2.0]], ["a", "b"], classes=["a", "b", "c"])
    ours.partial_fit([[1.0], [2.0]], ["c", "a"])
    assert ours.predict_proba([[1.0]]).shape == (1, 3)
    with pytest.raises(ValueError, match="has classes not in"):
        ours.partial_fit([[1.0], [2.0]], ["d", "a"])
    with pytest.raises(ValueError, match="is not the same as"):
        ours.partial_fit([[1.0], [2.0]], ["a", "b"], classes=["a", "b"])
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    with pytest.raises(ValueError, match="does not support early_stopping"):
        MLPRegressor(early_stopping=True).partial_fit(*NUMBERS)


def test_early_stopping_follows_the_score_of_a_part_and_keeps_the_best_epoch():
    ours = MLPClassifier(6, early_stopping=True, learning_rate_init=0.05, random_state=0).fit(*IRIS)
    assert ours.n_iter_ < ours.max_iter
    assert ours.best_loss_ is None
    assert ours.best_validation_score_ == max(ours.validation_scores_)
    assert len(ours.validation_scores_) == len(ours.validation_loss_curve_) == ours.n_iter_
    held_out = ours.run_.data.held_out
    assert np.bincount(held_out.labels).tolist() == [5, 5, 5]  # by class
    assert ours.run_.evaluate(held_out.x, held_out.y)["accuracy"] == pytest.approx(ours.best_validation_score_)
    numbers = MLPRegressor(hidden_layer_sizes=6, early_stopping=True, max_iter=30, random_state=0).fit(*NUMBERS)
    part = numbers.run_.data.held_out
    assert numbers.score(part.x, part.y[:, 0]) == pytest.approx(numbers.best_validation_score_, abs=1e-5)
    plain = MLPClassifier(6, random_state=0, max_iter=3).fit(*IRIS)
    assert plain.validation_scores_ is plain.best_validation_score_ is None
    assert plain.best_loss_ == min(plain.loss_curve_)


def test_a_validation_part_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="validation set is too small"):
        MLPRegressor(early_stopping=True).fit([[1.0], [2.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match="least populated class"):
        MLPClassifier(early_stopping=True).fit([[1, 2], [2, 3], [3, 4], [4, 5]], [0, 0, 0, 1])


@pytest.mark.parametrize("patience", [2, 10, 50])
def test_it_ends_after_epochs_without_improvement(patience):
    ours = MLPClassifier(5, tol=0.01, max_iter=3000, solver="sgd", n_iter_no_change=patience, random_state=0)
    ours.fit(*TWO)
    curve = np.array(ours.loss_curve_)
    waited, best = 0, np.inf
    for epoch, loss in enumerate(curve, 1):
        waited = waited + 1 if loss > best - 0.01 else 0
        best = min(best, loss)
        assert (waited > patience) == (epoch == len(curve))
    np.testing.assert_allclose(curve, peer(ours).set_params(shuffle=False).fit(*TWO).loss_curve_, rtol=1e-3)


def test_an_infinite_patience_makes_all_epochs_and_warns():
    ours = MLPClassifier(5, tol=1e9, max_iter=300, n_iter_no_change=np.inf, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(300\)"):
        ours.fit(*TWO)
    assert ours.n_iter_ == 300


def test_an_adaptive_rate_falls_until_it_is_too_small():
    ours = MLPClassifier(5, tol=0.5, max_iter=3000, solver="sgd", learning_rate="adaptive", random_state=0)
    other = peer(ours).fit(*TWO)
    ours.fit(*TWO)
    assert ours.n_iter_ == other.n_iter_ < 3000
    rates = np.unique(ours.run_.history.steps["learning_rate"])
    np.testing.assert_allclose(rates[::-1], 0.001 / 5.0 ** np.arange(len(rates)), rtol=1e-5)
    assert rates.min() < 1e-6


def test_a_warm_start_goes_on_from_the_weights():
    ours = MLPClassifier(5, warm_start=True, max_iter=10, n_iter_no_change=np.inf, random_state=0).fit(*IRIS)
    first = ours.loss_
    ours.set_params(max_iter=20).fit(*IRIS)
    assert (ours.n_iter_, len(ours.loss_curve_)) == (20, 30)
    assert ours.loss_ < first
    for classes in ([0] * 75 + [1] * 75, [0] * 50 + [1] * 50 + [3] * 50):
        with pytest.raises(ValueError, match=r"warm_start .* Previously got \[0 1 2\], `y` has \[0 1"):
            ours.fit(IRIS[0], classes)
    cold = MLPClassifier(5, max_iter=10, random_state=0).fit(*IRIS).fit(*IRIS)
    assert cold.loss_ == first


def test_probabilities_sum_to_one_and_their_logarithms_fit():
    for x, y in (TWO, DIGITS):
        ours = MLPClassifier(5, random_state=1, max_iter=20).fit(x, y)
        probabilities = ours.predict_proba(x)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        np.testing.assert_allclose(np.log(probabilities), ours.predict_log_proba(x))
        np.testing.assert_array_equal(ours.classes_[probabilities.argmax(axis=1)], ours.predict(x))


def test_the_order_of_rows_is_drawn_unless_it_is_not():
    def coefs(**settings):
        settings = {"max_iter": 1, "batch_size": 8, **settings}
        return MLPRegressor(hidden_layer_sizes=2, **settings).fit(*NUMBERS).coefs_[0]

    np.testing.assert_array_equal(coefs(random_state=0), coefs(random_state=0))
    assert not np.array_equal(coefs(random_state=0), coefs(random_state=0, shuffle=False))
    assert not np.array_equal(coefs(random_state=0), coefs(random_state=1))


def test_weights_of_rows_count():
    x, y = NUMBERS
    twice = np.r_[np.arange(len(x)), np.arange(10)]
    settings = {"hidden_layer_sizes": 4, "random_state": 0, "solver": "lbfgs", "max_iter": 20}
    weighed = MLPRegressor(**settings).fit(x, y, sample_weight=np.r_[np.full(10, 2.0), np.ones(len(x) - 10)])
    repeated = MLPRegressor(**settings).fit(x[twice], y[twice])
    np.testing.assert_allclose(weighed.predict(x), repeated.predict(x), rtol=1e-4, atol=1e-5)
    same = [MLPRegressor(hidden_layer_sizes=4, early_stopping=True, max_iter=9, random_state=0).fit(x, y, w).predict(x)
            for w in (None, np.full(len(x), 3.0))]  # fmt: skip
    np.testing.assert_allclose(*same, rtol=1e-4, atol=1e-5)
    balanced = MLPClassifier(4, class_weight="balanced", random_state=0, max_iter=30).fit(*IRIS)
    assert balanced.score(*IRIS) == MLPClassifier(4, random_state=0, max_iter=30).fit(*IRIS).score(*IRIS)


def test_predictions_have_the_dtype_of_the_rows():
    for dtype in (np.float32, np.float64):
        ours = MLPRegressor(hidden_layer_sizes=2, max_iter=2).fit(NUMBERS[0].astype(dtype), NUMBERS[1])
        assert ours.predict(NUMBERS[0].astype(dtype)).dtype == dtype


def test_verbose_prints_each_epoch(capsys):
    MLPClassifier(2, max_iter=2, verbose=True).fit(*TWO)
    assert capsys.readouterr().out.count("Iteration") == 2


def test_a_loss_that_diverges_is_an_error_unless_an_epoch_is_kept():
    settings = {"hidden_layer_sizes": 5, "activation": "identity", "solver": "sgd", "learning_rate_init": 1e8}
    with pytest.raises(DataError, match="NaN or infinite in epoch"):
        MLPRegressor(**settings, random_state=0).fit(*NUMBERS)
    with pytest.warns(ConvergenceWarning, match="best epoch are kept"):
        kept = MLPRegressor(**settings | {"learning_rate_init": 1.0}, early_stopping=True, random_state=0).fit(*IRIS)
    assert np.isnan(kept.validation_scores_[-1])
    assert np.isfinite(kept.predict(IRIS[0])).all()
    with pytest.raises(ValueError):
        MLPRegressor().fit(np.full((10, 2), np.finfo(float).max), np.arange(10.0))


def test_an_estimator_of_a_file_trains_on(tmp_path):
    ours = MLPRegressor(hidden_layer_sizes=5, learning_rate_init=0.01, random_state=42).fit([[2.0]], [4.0])
    joblib.dump(ours, tmp_path / "mlp.joblib")
    loaded = joblib.load(tmp_path / "mlp.joblib")
    np.testing.assert_array_equal(loaded.predict([[2.0]]), ours.predict([[2.0]]))
    for _ in range(200):
        loaded.partial_fit([[2.0]], [1.0])
    assert loaded.predict([[2.0]])[0] == pytest.approx(1, abs=0.01)


def test_parameters_outside_what_is_allowed_are_named():
    wrong = {"alpha": -1, "n_iter_no_change": 0, "batch_size": 0, "solver": "adm", "activation": "rel"}
    wrong |= {"hidden_layer_sizes": (0,), "learning_rate": "on_plateau", "validation_fraction": 1.0}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=r"Received|unknown|waits for"):
            MLPClassifier(**{name: value}).fit(*TWO)
    with pytest.raises(InvalidValue, match="dropout"):
        MLPClassifier(3, solver="lbfgs", dropout=0.5).fit(*TWO)
    with warnings.catch_warnings(action="ignore"):
        assert MLPClassifier((), max_iter=5).fit(*TWO).n_layers_ == 2
