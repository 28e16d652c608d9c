"""Faulty programs, a row each: what was written, and the changes that mend its faults one by one."""

from typing import Any

from benchmarks.doctor_programs.program import (
    BCE,
    CCE,
    FLAT,
    MAE,
    MSE,
    SPARSE,
    STANDARDISE,
    STANDARDISE_Y,
    Program,
    adam,
    conv,
    dense,
    dropout,
    lstm,
    mlp,
    norm,
    pool,
    rmsprop,
    rnn,
    sgd,
)

SCALED = {"data.transform": [STANDARDISE]}
SCALED_Y = {"data.transform": [STANDARDISE_Y]}
OF_16 = [{"op": "divide", "by": 16}]
TRUE_LABELS = {"op": "use_array", "target": "y", "array": "y_train_true"}
IMAGE = {"channels": 1}
TEN, THREE, YES = (10, "softmax"), (3, "softmax"), (1, "sigmoid")


def rate(value: float) -> dict[str, float]:
    """Another learning rate."""
    return {"optimizer.learning_rate": value}


def epochs(number: int) -> dict[str, int]:
    """Longer, or shorter."""
    return {"epochs": number}


def activation(name: str, *places: int) -> dict[str, str]:
    """Another activation of some layers."""
    return {f"network.{place}.activation": name for place in places}


def batch(rows: int) -> dict[str, int]:
    """Another batch size."""
    return {"batch_size": rows}


def first(columns: int) -> dict[str, Any]:
    """The first columns alone."""
    return {"op": "keep_columns", "columns": list(range(columns))}


# fmt: off
KILLED = (
    Program(
        "house-prices-first-try", "Price of a house, the loss does not move from 1e11", "regression",
        "houses", mlp(64, 64), MSE, adam(0.001), 40, 32, "r2", [STANDARDISE],
        repairs={"targets_not_scaled": {"data.transform": [STANDARDISE, STANDARDISE_Y]}},
    ),
    Program(
        "who-leaves-the-bank", "Customers with salaries and balances as they are, always the same class", "binary",
        "customers", mlp(16, 8, out=YES), BCE, sgd(0.01), 40, 32,
        repairs={"inputs_not_scaled": SCALED, "dead_relu": activation("leaky_relu", 0, 1),
                 "learning_rate_too_high": rate(1e-6)},
        fix=("inputs_not_scaled",),
    ),
    Program(
        "wine-growers", "Three growers of raw columns, the accuracy stays at 0.4", "multiclass",
        "wine", mlp(32, 16, out=THREE), CCE, sgd(0.05), 60, 16, one_hot=True,
        repairs={"inputs_not_scaled": SCALED, "dead_relu": activation("leaky_relu", 0, 1),
                 "learning_rate_too_high": rate(1e-4)},
        fix=("inputs_not_scaled",),
    ),
    Program(
        "tumours-deep", "Four layers of ReLU on raw measurements with a large rate of Adam", "binary",
        "cancer", mlp(64, 64, 32, 16, out=YES), BCE, adam(0.1), 20, 32,
        repairs={"inputs_not_scaled": SCALED, "learning_rate_too_high": rate(0.001),
                 "dead_relu": activation("leaky_relu", 0, 1, 2, 3)},
        fix=("inputs_not_scaled", "learning_rate_too_high"),
    ),
    Program(
        "digits-with-momentum", "Handwritten digits, rate 0.5 with momentum 0.9 as a blog said", "multiclass",
        "digits", mlp(64, 32, out=TEN), SPARSE, sgd(0.5, 0.9), 20, 32, transform=OF_16,
        repairs={"learning_rate_too_high": rate(0.01), "dead_relu": activation("leaky_relu", 0, 1)},
        fix=("learning_rate_too_high",),
    ),
    Program(
        "friedman-rmsprop", "A regression that gives one number for all rows", "regression",
        "friedman", mlp(64, 64), MSE, rmsprop(0.3), 40, 32, "r2",
        repairs={"learning_rate_too_high": rate(0.003), "dead_relu": activation("leaky_relu", 0, 1)},
        fix=("learning_rate_too_high",),
    ),
    Program(
        "progression-sgd", "Diabetes, inputs scaled but the target of 25 to 346 is not: nan or the mean", "regression",
        "diabetes", mlp(32, 16), MSE, sgd(0.02), 60, 16, "r2", [STANDARDISE],
        repairs={"targets_not_scaled": {"data.transform": [STANDARDISE, STANDARDISE_Y]},
                 "learning_rate_too_high": rate(1e-5), "exploding_gradient": {"optimizer.clip_norm": 1.0}},
        fix=("targets_not_scaled",),
    ),
    Program(
        "fourth-power", "y = x⁴ from −20 to 20: y = x² worked", "regression",
        "fourth_power", mlp(32, 32), MSE, adam(0.005), 60, 32, "r2",
        repairs={"targets_not_scaled": SCALED_Y, "inputs_not_scaled": SCALED},
    ),
    Program(
        "bars-of-shades", "A small CNN on images of 0 to 255, loss stuck at 1.0986", "multiclass",
        "bars", [conv(8), pool(), FLAT, dense(32, "relu"), dense(3, "softmax")], CCE, sgd(0.05), 8, 32, one_hot=True,
        of_data=IMAGE,
        repairs={"inputs_not_scaled": {"data.transform": [{"op": "divide", "by": 255}, STANDARDISE]},
                 "learning_rate_too_high": rate(1e-5)},
        fix=("inputs_not_scaled",),
    ),
    Program(
        "salary-line", "Salary of years at work: every prediction is the same", "regression",
        "salaries", mlp(16), MSE, sgd(0.01), 100, 16, "r2",
        repairs={"targets_not_scaled": SCALED_Y, "inputs_not_scaled": SCALED, "learning_rate_too_high": rate(1e-8)},
        fix=("targets_not_scaled", "inputs_not_scaled"),
    ),
    Program(
        "power-plant", "Output of a power plant, pressure of 1013 hPa among the columns", "regression",
        "power", mlp(32, 32), MSE, sgd(0.1), 40, 32, "r2", [STANDARDISE_Y],
        repairs={"inputs_not_scaled": {"data.transform": [STANDARDISE_Y, STANDARDISE]},
                 "learning_rate_too_high": rate(1e-6), "exploding_gradient": {"optimizer.clip_norm": 1.0}},
        fix=("inputs_not_scaled",),
    ),
)

SLOW = (
    Program(
        "iris-tutorial", "Iris after a tutorial, the accuracy is 0.5 after 20 epochs", "multiclass",
        "iris", mlp(8, out=THREE), CCE, sgd(0.001), 20, 16, one_hot=True, transform=[STANDARDISE],
        repairs={"learning_rate_too_low": rate(0.3), "too_few_epochs": epochs(100)},
        fix=("learning_rate_too_low",),
    ),
    Program(
        "digits-overnight", "Digits, a careful rate and batches of 256, slow", "multiclass",
        "digits", mlp(64, out=TEN), SPARSE, sgd(0.001), 15, 256, transform=OF_16,
        repairs={"learning_rate_too_low": rate(0.3), "batch_too_large": batch(16), "too_few_epochs": epochs(60)},
        fix=("learning_rate_too_low", "batch_too_large"),
    ),
    Program(
        "moons-careful", "Moons, Adam at 1e-4", "binary",
        "moons", mlp(16, 16, out=YES), BCE, adam(1e-4), 15, 32,
        repairs={"learning_rate_too_low": rate(0.01), "too_few_epochs": epochs(60)},
        fix=("learning_rate_too_low",),
    ),
    Program(
        "tumours-default-adadelta", "Adadelta with the default rate of Keras", "binary",
        "cancer", mlp(16, out=YES), BCE, {"name": "adadelta", "learning_rate": 0.001}, 20, 32, transform=[STANDARDISE],
        repairs={"learning_rate_too_low": rate(1.0), "weak_optimizer": {"optimizer": adam(0.001)},
                 "too_few_epochs": epochs(100)},
        fix=("learning_rate_too_low",),
    ),
    Program(
        "wine-at-once", "All rows in one batch, 25 epochs", "multiclass",
        "wine", mlp(16, out=THREE), CCE, sgd(0.02), 25, 1000, one_hot=True, transform=[STANDARDISE],
        repairs={"batch_too_large": batch(4), "learning_rate_too_low": rate(0.5), "too_few_epochs": epochs(100)},
        fix=("batch_too_large",),
    ),
    Program(
        "friedman-one-epoch", "Ten columns, two epochs of Adam", "regression",
        "friedman", mlp(64, 32), MSE, adam(0.001), 3, 32, "r2", [STANDARDISE, STANDARDISE_Y],
        repairs={"too_few_epochs": epochs(30), "learning_rate_too_low": rate(0.01)},
        fix=("too_few_epochs",),
    ),
    Program(
        "switches-adagrad", "Four labels a row, Adagrad as it comes", "multilabel",
        "alarms", mlp(32, out=(4, "sigmoid")), BCE,
        {"name": "adagrad", "learning_rate": 0.001, "initial_accumulator": 0.1}, 15, 32, "bit_accuracy",
        repairs={"learning_rate_too_low": rate(0.1), "weak_optimizer": {"optimizer": adam(0.003)},
                 "too_few_epochs": epochs(60)},
        fix=("learning_rate_too_low",),
    ),
    Program(
        "row-by-row", "Digits row by row, accuracy jumps", "multiclass",
        "digits", mlp(32, out=TEN), CCE, sgd(0.1, 0.9), 3, 1, one_hot=True, transform=OF_16,
        repairs={"batch_too_small": batch(32), "learning_rate_too_high": rate(0.003)},
        fix=("batch_too_small",),
    ),
    Program(
        "next-wave-value", "LSTM for the next value of a wave, a straight line comes out", "regression",
        "waves", [lstm(16), dense(1)], MSE, adam(2e-4), 4, 64, "r2",
        repairs={"learning_rate_too_low": rate(0.01), "too_few_epochs": epochs(20), "batch_too_large": batch(8)},
        fix=("learning_rate_too_low", "too_few_epochs"),
    ),
    Program(
        "plane-on-cpu", "A linear function, SGD at 1e-4 with batches of 128", "regression",
        "plane", [dense(1)], MSE, sgd(1e-4), 30, 128, "r2",
        repairs={"learning_rate_too_low": rate(0.05), "batch_too_large": batch(4), "too_few_epochs": epochs(120)},
        fix=("learning_rate_too_low",),
    ),
    Program(
        "crosses-and-rings", "A small CNN, plain SGD, at the level of chance", "binary",
        "crosses", [conv(8), pool(), FLAT, dense(16, "relu"), dense(1, "sigmoid")], BCE, sgd(0.005), 8, 64,
        of_data=IMAGE,
        repairs={"learning_rate_too_low": rate(0.3), "weak_optimizer": {"optimizer": adam(0.005)},
                 "too_few_epochs": epochs(32), "batch_too_large": batch(8)},
        fix=("weak_optimizer", "too_few_epochs"),
    ),
)

HELD_BACK = (
    Program(
        "dropout-everywhere", "Dropout before each layer, the inputs too", "multiclass",
        "digits", [dropout(0.8), dense(32, "relu"), dropout(0.7), dense(10, "softmax")], SPARSE, adam(0.001), 15, 32,
        transform=OF_16,
        repairs={"over_regularised": {"network.0.rate": 0.0, "network.2.rate": 0.2}, "too_few_epochs": epochs(45)},
        fix=("over_regularised",),
    ),
    Program(
        "columns-dropped", "Friedman's function with half of the inputs dropped", "regression",
        "friedman", [dropout(0.6), dense(64, "relu"), dense(1)], MSE, adam(0.005), 40, 32, "r2",
        [STANDARDISE, STANDARDISE_Y],
        repairs={"over_regularised": {"network.0.rate": 0.0}},
    ),
    Program(
        "penalty-from-the-book", "L2 of 0.3 against overfitting", "multiclass",
        "digits", mlp(64, out=TEN), SPARSE, sgd(0.05), 15, 32, transform=OF_16,
        settings={"regularization": {"l2": 0.3}},
        repairs={"over_regularised": {"regularization": None}},
    ),
    Program(
        "sparse-words", "L1 of a half for sparse words, and few epochs", "multiclass",
        "spam", mlp(16, out=THREE), CCE, adam(0.001), 6, 64, one_hot=True, settings={"regularization": {"l1": 0.5}},
        repairs={"over_regularised": {"regularization": None}, "too_few_epochs": epochs(30),
                 "learning_rate_too_low": rate(0.01)},
        fix=("over_regularised", "too_few_epochs"),
    ),
    Program(
        "more-columns-more-better", "150 columns that say nothing, 144 rows", "binary",
        "sensors", mlp(64, 64, out=YES), BCE, adam(0.001), 60, 16, transform=[STANDARDISE],
        repairs={"uninformative_features": {"data.transform": [first(5), STANDARDISE]},
                 "overfitting": {"regularization": {"l1": 0.02}}},
        fix=("uninformative_features",),
    ),
    Program(
        "curve-of-few-points", "A large network on 24 noisy rows", "regression",
        "few_points", mlp(128, 128), MSE, adam(0.003), 300, 8, "r2",
        repairs={"overfitting": {"regularization": {"l2": 0.3}}},
    ),
    Program(
        "sick-or-not-deep", "Diabetes, three wide layers, 300 epochs: fine in training only", "regression",
        "diabetes", mlp(64, 64, 64), MSE, adam(0.003), 150, 32, "r2", [STANDARDISE, STANDARDISE_Y],
        repairs={"overfitting": epochs(5)},
    ),
)

FLAT_PARTS = (
    Program(
        "six-sigmoid-layers", "Deep is better: six sigmoid layers", "multiclass",
        "digits", mlp(32, 32, 32, 32, 32, 32, by="sigmoid", out=TEN), SPARSE, sgd(0.1), 20, 32, transform=OF_16,
        repairs={"vanishing_gradient": activation("relu", 0, 1, 2, 3, 4, 5),
                 "weak_optimizer": {"optimizer": adam(0.003)}},
        fix=("vanishing_gradient",),
    ),
    Program(
        "wine-sigmoid", "A sigmoid network on raw wine", "multiclass",
        "wine", mlp(16, 16, by="sigmoid", out=THREE), CCE, sgd(0.1), 60, 16, one_hot=True,
        repairs={"inputs_not_scaled": SCALED, "saturated_units": activation("relu", 0, 1)},
        fix=("inputs_not_scaled",),
    ),
    Program(
        "tumours-tanh", "A tanh network on raw measurements", "binary",
        "cancer", mlp(16, 16, by="tanh", out=YES), BCE, sgd(0.01), 40, 32,
        repairs={"inputs_not_scaled": SCALED, "saturated_units": activation("relu", 0, 1),
                 "learning_rate_too_low": rate(0.1)},
        fix=("inputs_not_scaled",),
    ),
    Program(
        "normal-of-one", "Weights of randn without a factor", "multiclass",
        "digits", mlp(64, 32, by="tanh", out=TEN, init={"init": "normal", "std": 2.0}), SPARSE, sgd(0.02), 20, 32,
        transform=OF_16,
        repairs={"bad_init_large": {f"network.{i}.weights": {"init": "glorot_uniform"} for i in range(3)}},
    ),
    Program(
        "what-was-first", "The first of thirty numbers, with a simple recurrent layer", "binary",
        "first_word", [rnn(16), dense(1, "sigmoid")], BCE, sgd(0.05), 15, 32,
        repairs={"weak_optimizer": {"optimizer": adam(0.003)}, "learning_rate_too_low": rate(0.5),
                 "too_few_epochs": epochs(60)},
        fix=("weak_optimizer",),
    ),
    Program(
        "sum-of-a-list", "A ReLU recurrent layer adds numbers from 0 to 99: nan", "regression",
        "sums", [rnn(16, "relu"), dense(1)], MSE, sgd(0.001), 20, 32, "r2",
        repairs={"inputs_not_scaled": SCALED, "targets_not_scaled": SCALED_Y, "learning_rate_too_high": rate(1e-7),
                 "exploding_gradient": {"optimizer.clip_norm": 1.0}},
        fix=("inputs_not_scaled", "targets_not_scaled"),
    ),
    Program(
        "weather-tomorrow", "An LSTM on degrees Fahrenheit predicts 20 for every day", "regression",
        "temperatures", [lstm(16), dense(1)], MSE, adam(0.001), 10, 32, "r2",
        repairs={"targets_not_scaled": SCALED_Y, "inputs_not_scaled": SCALED, "learning_rate_too_low": rate(0.1),
                 "too_few_epochs": epochs(40)},
        fix=("targets_not_scaled", "inputs_not_scaled"),
    ),
    Program(
        "small-random-numbers", "Five layers of normal(0, 0.01)", "multiclass",
        "digits", mlp(32, 32, 32, 32, out=TEN, init={"init": "normal", "std": 0.01}), CCE, sgd(0.05), 15, 32,
        one_hot=True, transform=OF_16,
        repairs={"bad_init_small": {f"network.{i}.weights": {"init": "he_normal"} for i in range(5)},
                 "weak_optimizer": {"optimizer": adam(0.003)}},
        fix=("bad_init_small",),
    ),
)

OUTPUTS = (
    Program(
        "progression-in-sigmoid", "Diabetes of 25 to 346 behind a sigmoid", "regression",
        "diabetes", mlp(32, out=YES), MSE, adam(0.005), 60, 16, "r2", [STANDARDISE],
        repairs={"output_activation_range": activation("linear", 1),
                 "targets_not_scaled": {"data.transform": [STANDARDISE, {"op": "min_max", "target": "y"}]}},
        fix=("targets_not_scaled",),
    ),
    Program(
        "wave-positive-only", "Sine with ReLU to the end", "regression",
        "sine", mlp(32, 32, out=(1, "relu")), MSE, adam(0.01), 60, 32, "r2",
        repairs={"output_activation_range": activation("linear", 2)},
    ),
    Program(
        "softmax-of-one", "Softmax because it is classification, one unit", "binary",
        "cancer", mlp(16, out=(1, "softmax")), BCE, adam(0.001), 15, 32, transform=[STANDARDISE],
        repairs={"single_unit_softmax": activation("sigmoid", 1)},
    ),
    Program(
        "softmax-and-logits", "Softmax, then a loss that takes logits, a few epochs", "multiclass",
        "digits", mlp(32, out=TEN), "sparse_categorical_cross_entropy_from_logits", sgd(0.05), 10, 32, transform=OF_16,
        repairs={"output_loss_mismatch": activation("linear", 1), "too_few_epochs": epochs(40),
                 "learning_rate_too_low": rate(0.5)},
        fix=("output_loss_mismatch",),
    ),
    Program(
        "no-sigmoid", "Binary cross-entropy of a raw output", "binary",
        "moons", mlp(16, 16), BCE, sgd(0.1), 30, 32,
        repairs={"missing_output_activation": activation("sigmoid", 2)},
    ),
    Program(
        "many-tags", "Several tags a row, softmax over them", "multilabel",
        "genres", mlp(32, out=(5, "softmax")), CCE, adam(0.003), 25, 32, "bit_accuracy", [STANDARDISE],
        repairs={"output_loss_mismatch": activation("sigmoid", 1) | {"loss": BCE}},
    ),
    Program(
        "flower-number", "The number of the flower as a regression with one sigmoid", "multiclass",
        "iris", mlp(16, out=YES), MSE, adam(0.01), 60, 16, transform=[STANDARDISE],
        repairs={"output_activation_range": activation("linear", 1),
                 "wrong_output_size": {"network.1": dense(3, "softmax"), "loss": SPARSE}},
        fix=("wrong_output_size",),
    ),
    Program(
        "squares-for-digits", "Squared error for ten classes with sigmoids, SGD", "multiclass",
        "digits", mlp(32, out=(10, "sigmoid")), MSE, sgd(0.05), 20, 32, one_hot=True, transform=OF_16,
        repairs={"learning_rate_too_low": rate(5.0), "wrong_loss": activation("softmax", 1) | {"loss": CCE},
                 "weak_optimizer": {"optimizer": adam(0.005)}},
        fix=("wrong_loss",),
    ),
    Program(
        "shape-of-y", "The targets have lost an axis", "regression",
        "friedman", mlp(32, 32), MSE, adam(0.005), 40, 32, "r2", [STANDARDISE, STANDARDISE_Y],
        settings={"loss_options": {"target_rank": 1}},
        repairs={"target_shape": {"loss_options": {}}},
    ),
    Program(
        "sum-of-losses", "The loss is summed over the batch, rate 0.1", "regression",
        "plane", mlp(32), MSE, sgd(0.05), 40, 64, "r2", [STANDARDISE, STANDARDISE_Y],
        settings={"loss_options": {"reduction": "sum"}},
        repairs={"loss_scale": {"loss_options": {}}, "learning_rate_too_high": rate(0.001)},
        fix=("loss_scale",),
    ),
    Program(
        "absolute-error-of-classes", "Mean absolute error for frauds", "binary",
        "frauds", mlp(16, out=YES), MAE, adam(0.003), 15, 32, "balanced_accuracy", [STANDARDISE],
        repairs={"wrong_loss": {"loss": BCE}, "class_imbalance": {"class_weights": "balanced"}},
        settings={"class_weights": None},
    ),
)

ROWS = (
    Program(
        "digits-in-order", "Digits sorted, shuffle=False", "multiclass",
        "digits_in_order", mlp(32, out=TEN), SPARSE, sgd(0.1), 10, 32, transform=OF_16, settings={"shuffle": False},
        repairs={"no_shuffle": {"shuffle": True}},
    ),
    Program(
        "card-frauds", "One fraud in 25 is never found", "binary",
        "frauds", mlp(8, out=YES), BCE, sgd(0.01), 10, 32, "balanced_accuracy", [STANDARDISE],
        settings={"class_weights": None},
        repairs={"class_imbalance": {"class_weights": "balanced"}, "too_few_epochs": epochs(40),
                 "learning_rate_too_low": rate(0.1)},
        fix=("class_imbalance",),
    ),
    Program(
        "card-frauds-raw", "Frauds with amounts in cents", "binary",
        "frauds_in_cents", mlp(8, out=YES), BCE, adam(0.005), 20, 32, "balanced_accuracy",
        settings={"class_weights": None},
        repairs={"class_imbalance": {"class_weights": "balanced"}, "inputs_not_scaled": SCALED},
    ),
    Program(
        "labelled-by-interns", "Half of the labels of the digits are wrong", "multiclass",
        "digits_by_hand", mlp(64, out=TEN), SPARSE, adam(0.002), 40, 32, transform=OF_16,
        repairs={"label_errors": {"data.transform": [TRUE_LABELS, *OF_16]},
                 "overfitting": epochs(5)},
        fix=("label_errors",),
    ),
    Program(
        "tumours-by-hand", "Two fifths of the labels are wrong", "binary",
        "cancer_by_hand", mlp(32, out=YES), BCE, adam(0.003), 40, 32, transform=[STANDARDISE],
        repairs={"label_errors": {"data.transform": [TRUE_LABELS, STANDARDISE]},
                 "overfitting": {"regularization": {"l2": 0.1}}},
        fix=("label_errors",),
    ),
    Program(
        "merged-tables", "Labels merged on the wrong key, raw columns", "multiclass",
        "wine_joined", mlp(16, out=THREE), SPARSE, adam(0.005), 40, 16, transform=[STANDARDISE],
        repairs={"label_errors": {"data.transform": [TRUE_LABELS, STANDARDISE]}},
    ),
    Program(
        "patient-code", "A code filled in after the diagnosis", "binary",
        "cancer_with_code", mlp(16, out=YES), BCE, adam(0.005), 30, 32, transform=[STANDARDISE],
        repairs={"label_leakage": {"data.transform": [first(30), STANDARDISE]}},
    ),
    Program(
        "empty-cells", "Empty cells: the loss is nan", "binary",
        "cancer_with_gaps", mlp(16, out=YES), BCE, adam(0.003), 20, 32, transform=[STANDARDISE],
        repairs={"non_finite_inputs": {"data.transform": [{"op": "impute_mean"}, STANDARDISE]}},
    ),
    Program(
        "scaled-in-training", "The scaler was fitted and used in training only", "binary",
        "cancer", mlp(16, out=YES), BCE, adam(0.003), 20, 32, transform=[STANDARDISE | {"only": "train"}],
        repairs={"train_test_mismatch": {"data.transform": [STANDARDISE]}},
    ),
    Program(
        "scaled-twice", "Images divided by 16, then by 255", "multiclass",
        "digit_images", [conv(8), pool(), FLAT, dense(10, "softmax")], CCE, sgd(0.05), 6, 32, one_hot=True,
        transform=[*OF_16, {"op": "divide", "by": 255}], of_data=IMAGE,
        repairs={"inputs_scaled_too_small": {"data.transform": OF_16}, "learning_rate_too_low": rate(5.0),
                 "weak_optimizer": {"optimizer": adam(0.01)}},
        fix=("inputs_scaled_too_small",),
    ),
    Program(
        "far-from-zero", "Moons around (30, −20)", "binary",
        "moons_far_off", mlp(16, 16, by="tanh", out=YES), BCE, adam(0.005), 30, 32,
        repairs={"inputs_not_scaled": SCALED, "saturated_units": activation("relu", 0, 1)},
        fix=("inputs_not_scaled",),
    ),
)

MADE_WRONG = (
    Program(
        "all-zeros", "Weights of zero to be safe", "binary",
        "moons", mlp(16, 16, out=YES, init="zeros"), BCE, adam(0.01), 25, 32,
        repairs={"constant_init": {f"network.{i}.weights": {"init": "glorot_uniform"} for i in range(3)}},
    ),
    Program(
        "all-halves", "Weights of 0.5 for repeatable runs", "multiclass",
        "iris", mlp(8, by="tanh", out=THREE, init={"init": "constant", "value": 0.5}), CCE, sgd(0.1), 40, 16,
        one_hot=True, transform=[STANDARDISE],
        repairs={"constant_init": {f"network.{i}.weights": {"init": "glorot_uniform"} for i in range(2)}},
    ),
    Program(
        "rings-without-activation", "Three layers, no activation, small rate", "binary",
        "circles", mlp(32, 32, by="linear", out=YES), BCE, sgd(0.01), 40, 32,
        repairs={"missing_hidden_activation": activation("relu", 0, 1), "learning_rate_too_low": rate(0.2)},
    ),
    Program(
        "friedman-linear", "Layers without activation, raw target", "regression",
        "friedman", mlp(32, 32, by="linear"), MSE, adam(0.005), 40, 32, "r2", [STANDARDISE],
        repairs={"missing_hidden_activation": activation("relu", 0, 1)},
    ),
    Program(
        "two-units-for-spirals", "Two spirals with two units", "binary",
        "spirals", mlp(2, by="tanh", out=YES), BCE, adam(0.02), 60, 32,
        repairs={"under_capacity": {"network": mlp(32, 32, by="tanh", out=YES)}},
    ),
    Program(
        "narrow-waist", "Ten digits through a layer of one unit", "multiclass",
        "digits", mlp(64, 1, 64, out=TEN), SPARSE, adam(0.002), 20, 32, transform=OF_16,
        repairs={"under_capacity": {"network.1.units": 32}, "dead_relu": activation("leaky_relu", 0, 1, 2)},
        fix=("under_capacity",),
    ),
    Program(
        "softmax-in-the-middle", "Softmax in every layer", "multiclass",
        "digits", mlp(32, 32, by="softmax", out=TEN), SPARSE, adam(0.003), 20, 32, transform=OF_16,
        repairs={"hidden_softmax": activation("relu", 0, 1), "learning_rate_too_low": rate(0.05),
                 "too_few_epochs": epochs(80)},
        fix=("hidden_softmax",),
    ),
    Program(
        "head-only", "Only the last layer learns, forgotten after a test", "multiclass",
        "blobs", [dense(4, "relu", trainable=False), dense(4, "relu", trainable=False), dense(5, "softmax")], SPARSE,
        adam(0.01), 40, 32, transform=[STANDARDISE],
        repairs={"frozen_parameters": {"network.0.trainable": True, "network.1.trainable": True},
                 "under_capacity": {"network.0.units": 12, "network.1.units": 12}},
        fix=("frozen_parameters",),
    ),
    Program(
        "update-by-hand", "W += rate · gradient", "multiclass",
        "iris", mlp(16, out=THREE), CCE, sgd(-0.05), 20, 16, one_hot=True, transform=[STANDARDISE],
        repairs={"gradient_ascent": rate(0.05)},
    ),
    Program(
        "norm-in-training-only", "Batch norm whose running averages are never kept, raw columns", "multiclass",
        "wine", [norm(update_statistics=False), dense(16, "relu"), dense(3, "softmax")], SPARSE, adam(0.01), 25, 16,
        repairs={"batch_norm_statistics": {"network.0.update_statistics": True},
                 "inputs_not_scaled": SCALED},
        fix=("batch_norm_statistics",),
    ),
    Program(
        "a-line-for-xor", "One sigmoid unit for XOR", "binary",
        "quadrants", [dense(1, "sigmoid")], BCE, adam(0.02), 40, 32,
        repairs={"not_linearly_separable": {"network": mlp(16, 16, out=YES)}},
    ),
    Program(
        "motif-slow", "Which motif, an LSTM of four units and a small rate", "multiclass",
        "which_motif", [lstm(4), dense(3, "softmax")], SPARSE, adam(0.001), 10, 32,
        repairs={"learning_rate_too_low": rate(0.03), "too_few_epochs": epochs(40),
                 "under_capacity": {"network.0.units": 48}},
        fix=("learning_rate_too_low", "too_few_epochs"),
    ),
    Program(
        "surface-relu", "An autoencoder that ends in ReLU and is wide enough for one number only", "regression",
        "surfaces", [dense(16, "tanh"), dense(1), dense(16, "tanh"), dense(12, "relu")], MSE, adam(0.005), 40, 32, "r2",
        repairs={"output_activation_range": activation("linear", 3), "under_capacity": {"network.1.units": 3}},
    ),
)

MORE = (
    Program(
        "spirals-in-a-hurry", "Two spirals, a good network, eight epochs", "binary",
        "spirals", mlp(32, 32, by="tanh", out=YES), BCE, adam(0.005), 8, 32,
        repairs={"too_few_epochs": epochs(60), "learning_rate_too_low": rate(0.03), "batch_too_large": batch(8)},
        fix=("too_few_epochs",),
    ),
    Program(
        "tumours-one-by-one", "Row by row at a rate of 0.5", "binary",
        "cancer", mlp(16, 16, out=YES), BCE, sgd(0.5), 5, 1, transform=[STANDARDISE],
        repairs={"batch_too_small": batch(32), "learning_rate_too_high": rate(0.01)},
        fix=("batch_too_small",),
    ),
    Program(
        "tags-penalised", "Several tags a row, a penalty and a small rate", "multilabel",
        "genres", mlp(32, out=(5, "sigmoid")), BCE, sgd(0.01), 20, 32, "bit_accuracy", [STANDARDISE],
        settings={"regularization": {"l2": 0.2}},
        repairs={"over_regularised": {"regularization": None}, "learning_rate_too_low": rate(0.3),
                 "too_few_epochs": epochs(80)},
        fix=("over_regularised", "learning_rate_too_low"),
    ),
    Program(
        "megawatts", "Inputs scaled, megawatts as they are, SGD", "regression",
        "power", mlp(64, 32), MSE, sgd(0.01), 40, 32, "r2", [STANDARDISE],
        repairs={"targets_not_scaled": {"data.transform": [STANDARDISE, STANDARDISE_Y]},
                 "learning_rate_too_high": rate(1e-5), "dead_relu": activation("leaky_relu", 0, 1)},
        fix=("targets_not_scaled",),
    ),
    Program(
        "bars-dense", "Pixels of 0 to 255 in a dense network", "multiclass",
        "bars", [FLAT, *mlp(64, 32, out=THREE)], CCE, adam(0.02), 15, 32, one_hot=True, of_data=IMAGE,
        repairs={"inputs_not_scaled": {"data.transform": [STANDARDISE]}, "learning_rate_too_high": rate(0.0005),
                 "dead_relu": activation("leaky_relu", 1, 2)},
        fix=("inputs_not_scaled",),
    ),
)
# fmt: on

FAULTY: tuple[Program, ...] = (*KILLED, *SLOW, *HELD_BACK, *FLAT_PARTS, *OUTPUTS, *ROWS, *MADE_WRONG, *MORE)
"""All of them."""
