"""Healthy programs, a row each, with a score that another method reaches on the same rows and its tolerance."""

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
    sgd,
)

OF_16 = [{"op": "divide", "by": 16}]
OF_255 = [{"op": "divide", "by": 255}]
BOTH = [STANDARDISE, STANDARDISE_Y]
IMAGE = {"channels": 1}
TEN, THREE, YES = (10, "softmax"), (3, "softmax"), (1, "sigmoid")
LINE, SVM, RIDGE = "logistic regression", "support vector machine", "ridge regression"
PCA, MADE, TREES, NEAREST = "principal components", "construction", "random forest", "nearest neighbours"

# fmt: off
CLASSES = (
    Program(
        "iris-patient", "Iris, a small rate and enough epochs", "multiclass",
        "iris", mlp(8, out=THREE), CCE, sgd(0.02), 400, 8, one_hot=True, transform=[STANDARDISE],
        reference=(0.9556, 0.045, SVM),
    ),
    Program(
        "wine-normed", "Wine, raw, each layer after batch norm", "multiclass",
        "wine", [norm(), *mlp(16, out=THREE)], SPARSE, adam(0.01), 40, 16,
        reference=(0.9623, 0.04, LINE),
    ),
    Program(
        "tumours-from-zero", "The output layer begins at zeros", "binary",
        "cancer", [dense(16, "relu"), dense(1, "sigmoid", "zeros")], BCE, adam(0.005), 30, 32, transform=[STANDARDISE],
        reference=(0.9825, 0.025, LINE),
    ),
    Program(
        "digits-orthogonal", "tanh layers that begin orthogonal", "multiclass",
        "digits", mlp(64, 32, by="tanh", out=TEN, init={"init": "orthogonal", "gain": 1.0}), SPARSE, adam(0.003), 30,
        32, transform=OF_16, reference=(0.9759, 0.025, SVM),
    ),
    Program(
        "digits-small-normal", "Weights of normal(0, 0.05)", "multiclass",
        "digits", mlp(64, out=TEN, init={"init": "normal", "std": 0.05}), CCE, adam(0.003), 30, 32, one_hot=True,
        transform=OF_16, reference=(0.9759, 0.025, SVM),
    ),
    Program(
        "digits-convolved", "A small CNN on digits", "multiclass",
        "digit_images", [conv(8), pool(), FLAT, dense(32, "relu"), dense(10, "softmax")], SPARSE, adam(0.004), 12, 32,
        transform=OF_16, of_data=IMAGE, reference=(0.9759, 0.02, SVM),
    ),
    Program(
        "digits-sgd-logits", "Logits, momentum, sorted rows but shuffled", "multiclass",
        "digits_in_order", mlp(64, out=(10, "linear")), "sparse_categorical_cross_entropy_from_logits",
        sgd(0.05, 0.9), 25, 32, transform=OF_16, reference=(0.9759, 0.025, SVM),
    ),
    Program(
        "digits-soft-regression", "Softmax regression with a mild penalty", "multiclass",
        "digits", [dense(10, "softmax")], CCE, adam(0.005), 60, 32, one_hot=True, transform=OF_16,
        settings={"regularization": {"l2": 1e-4}}, reference=(0.9647, 0.025, LINE),
    ),
    Program(
        "digits-half-dropped", "Dropout of a half, long enough", "multiclass",
        "digits", [dense(128, "relu"), dropout(0.4), dense(10, "softmax")], SPARSE, adam(0.003), 40, 32,
        transform=OF_16, reference=(0.9759, 0.025, SVM),
    ),
    Program(
        "hundred-digits", "A hundred digits only", "multiclass",
        "few_digits", mlp(32, out=TEN), SPARSE, adam(0.005), 60, 16, transform=OF_16,
        settings={"regularization": {"l2": 1e-3}}, reference=(0.878, 0.03, SVM),
    ),
    Program(
        "bars-convolved", "Bars, a CNN with batch norm", "multiclass",
        "bars", [conv(8, 5), norm(), pool(), FLAT, dense(32, "relu"), dense(3, "softmax")], CCE, adam(0.005), 15, 32,
        one_hot=True, transform=[*OF_255, STANDARDISE], of_data=IMAGE, reference=(0.9857, 0.03, SVM),
    ),
    Program(
        "labels-in-doubt", "A fifth of all labels are a coin's: 0.8 is all there is", "binary",
        "moons_of_labels_in_doubt", mlp(16, out=YES), BCE, adam(0.01), 40, 32, transform=[STANDARDISE],
        settings={"regularization": {"l2": 1e-3}}, reference=(0.7987, 0.03, SVM),
    ),
    Program(
        "three-to-one", "Classes of 24 and 76 of a hundred", "binary",
        "three_to_one", mlp(32, out=YES), BCE, adam(0.005), 40, 32, transform=[STANDARDISE],
        reference=(0.8889, 0.04, SVM),
    ),
    Program(
        "frauds-weighed", "One fraud in 25, weighed", "binary",
        "frauds", [dense(1, "sigmoid")], BCE, adam(0.005), 40, 32, "balanced_accuracy", [STANDARDISE],
        settings={"class_weights": "balanced"}, reference=(0.8841, 0.03, "balanced " + LINE),
    ),
    Program(
        "tumours-hinge", "Hinge on a linear output", "binary",
        "cancer", mlp(16), "hinge", adam(0.003), 25, 32, transform=[STANDARDISE], reference=(0.9825, 0.025, LINE),
    ),
    Program(
        "moons-squared-hinge", "Squared hinge", "binary",
        "moons", mlp(32, 16), "squared_hinge", adam(0.01), 40, 32, reference=(0.95, 0.035, NEAREST),
    ),
    Program(
        "rings-elu", "Circles, ELU", "binary",
        "circles", mlp(16, by="elu", out=YES), BCE, adam(0.02), 40, 32, reference=(1.0, 0.025, SVM),
    ),
    Program(
        "spirals-deep", "Two spirals, three layers", "binary",
        "spirals", mlp(32, 32, 32, by="tanh", out=YES), BCE, adam(0.01), 80, 32, reference=(1.0, 0.04, NEAREST),
    ),
    Program(
        "blobs-selu", "Five clouds that overlap, SELU", "multiclass",
        "blobs", mlp(16, by="selu", out=(5, "softmax")), SPARSE, rmsprop(0.005), 30, 32, transform=[STANDARDISE],
        settings={"regularization": {"l2": 1e-3}}, reference=(0.9476, 0.03, LINE),
    ),
    Program(
        "spam-softmax", "Words of three kinds of text, softmax regression", "multiclass",
        "spam", [dense(3, "softmax")], CCE, adam(0.01), 25, 32, one_hot=True, reference=(1.0, 0.02, LINE),
    ),
    Program(
        "quadrants-two-outputs", "XOR of signs, two softmax outputs", "multiclass",
        "quadrants", mlp(32, 16, out=(2, "softmax")), SPARSE, adam(0.01), 50, 32, reference=(0.9333, 0.03, SVM),
    ),
    Program(
        "customers-scaled", "Who leaves, leaky ReLU", "binary",
        "customers", mlp(16, by="leaky_relu", out=YES), BCE, sgd(0.1), 40, 32, transform=[STANDARDISE],
        reference=(0.9556, 0.025, LINE),
    ),
    Program(
        "tags-bits", "Several tags a row", "multilabel",
        "genres", mlp(16, out=(5, "sigmoid")), BCE, adam(0.003), 25, 32, "bit_accuracy", [STANDARDISE],
        reference=(0.8015, 0.02, LINE),
    ),
    Program(
        "switches-sgd", "Four switches, SGD", "multilabel",
        "alarms", [dense(4, "linear")], "binary_cross_entropy_from_logits", sgd(0.3), 40, 32, "bit_accuracy",
        reference=(0.9615, 0.015, LINE),
    ),
)

NUMBERS = (
    Program(
        "pages-again", "Autoencoder of digits, sigmoid pixels", "regression",
        "scanned_pages", [dense(64, "relu"), dense(16), dense(64, "relu"), dense(64, "sigmoid")], MSE, adam(0.003), 60,
        32, "r2", reference=(0.8402, 0.03, PCA),
    ),
    Program(
        "tumours-through-six", "Linear autoencoder of thirty columns", "regression",
        "tumours_again", [dense(6), dense(30)], MSE, adam(0.005), 80, 32, "r2", reference=(0.8767, 0.03, PCA),
    ),
    Program(
        "surface-of-two", "Autoencoder of a curved surface", "regression",
        "surfaces", [dense(32, "tanh"), dense(2), dense(32, "tanh"), dense(12)], MSE, adam(0.005), 60, 32, "r2",
        reference=(0.9582, 0.03, PCA),
    ),
    Program(
        "motif-lstm", "Which motif, LSTM", "multiclass",
        "which_motif", [lstm(24), dense(3, "softmax")], SPARSE, adam(0.01), 20, 32, reference=(1.0, 0.03, SVM),
    ),
    Program(
        "friedman-scaled", "Friedman's function, standardised", "regression",
        "friedman", mlp(32), MSE, adam(0.01), 40, 32, "r2", BOTH, settings={"regularization": {"l2": 1e-3}},
        reference=(0.9107, 0.04, SVM),
    ),
    Program(
        "friedman-normed", "Friedman's function, batch norm in a deep network", "regression",
        "friedman", [x for _ in range(3) for x in (dense(32), norm(), {"type": "activation", "activation": "relu"})]
        + [dense(1)], MSE, adam(0.005), 30, 32, "r2", BOTH, reference=(0.8345, 0.04, TREES),
    ),
    Program(
        "plane-one-unit", "A linear function, one unit, SGD", "regression",
        "plane", [dense(1)], MSE, sgd(0.02), 60, 32, "r2", reference=(0.9716, 0.02, RIDGE),
    ),
    Program(
        "fahrenheit-scaled", "Celsius to Fahrenheit, scaled", "regression",
        "fahrenheit", [dense(1)], MSE, sgd(0.1), 40, 16, "r2", BOTH, reference=(1.0, 0.01, RIDGE),
    ),
    Program(
        "power-absolute", "Output of a power plant, absolute error", "regression",
        "power", mlp(32), MAE, adam(0.005), 60, 32, "r2", BOTH, reference=(0.9722, 0.02, SVM),
    ),
    Program(
        "wild-absolute", "Some wild targets, absolute error", "regression",
        "long_tailed", [dense(1)], MAE, adam(0.02), 40, 32, "r2", reference=(1.0, 0.02, MADE),
    ),
    Program(
        "sine-tanh", "One and a half waves, tanh", "regression",
        "sine", mlp(32, 16, by="tanh"), MSE, adam(0.01), 120, 32, "r2", reference=(0.9819, 0.02, SVM),
    ),
    Program(
        "salary-scaled", "Salary of years at work, scaled", "regression",
        "salaries", [dense(1)], MSE, sgd(0.05), 60, 32, "r2", BOTH, reference=(0.9603, 0.02, RIDGE),
    ),
    Program(
        "progression-ridge", "Diabetes, linear, with a penalty", "regression",
        "diabetes", [dense(1)], MSE, sgd(0.02), 60, 32, "r2", BOTH, settings={"regularization": {"l2": 1e-3}},
        reference=(0.4207, 0.04, RIDGE),
    ),
    Program(
        "houses-scaled", "Price of a house, scaled", "regression",
        "houses", mlp(32, 16), MSE, adam(0.003), 50, 32, "r2", BOTH, reference=(0.9856, 0.025, SVM),
    ),
)

# fmt: on

HEALTHY: tuple[Program, ...] = (*CLASSES, *NUMBERS)
"""All of them."""
