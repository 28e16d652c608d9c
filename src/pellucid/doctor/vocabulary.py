"""The causes the doctor knows: what each means, and what may help, by name."""

from typing import NamedTuple


class Cause(NamedTuple):
    """One entry of the vocabulary."""

    definition: str
    remedies: tuple[str, ...]


VOCABULARY: dict[str, Cause] = {
    "learning_rate_too_high": Cause(
        "the step is too large for this loss: it jumps, diverges or parks at a bad value",
        ("smaller learning rate", "gradient clipping", "adam"),
    ),
    "learning_rate_too_low": Cause(
        "the step is too small: the loss is still falling at the end", ("larger learning rate", "adam")
    ),
    "gradient_ascent": Cause("the update goes up the loss", ("learning rate above 0",)),
    "weak_optimizer": Cause("another optimiser learns in the same time", ("adam", "momentum")),
    "too_few_epochs": Cause("training stops while the loss is still falling", ("more epochs", "larger learning rate")),
    "batch_too_large": Cause("too few updates are made", ("smaller batch", "more epochs", "larger learning rate")),
    "batch_too_small": Cause(
        "updates from one or a few rows are too noisy for the step", ("larger batch", "smaller learning rate")
    ),
    "no_shuffle": Cause("the rows come in a meaningful order and are not shuffled", ("shuffle the rows",)),
    "inputs_not_scaled": Cause(
        "the inputs are large, offset or of very different scales", ("standardise the inputs", "min-max the inputs")
    ),
    "inputs_scaled_too_small": Cause("the inputs were scaled down too far", ("standardise the inputs",)),
    "targets_not_scaled": Cause(
        "the targets are far larger than a fresh network produces",
        ("standardise the targets", "standardise inputs and targets"),
    ),
    "non_finite_inputs": Cause("NaN or infinity among the inputs", ("impute the values", "drop the rows")),
    "uninformative_features": Cause(
        "constant, repeated or noise columns swamp the useful ones", ("keep the informative columns", "L1 penalty")
    ),
    "label_leakage": Cause("an input tells the label in training but not in use", ("drop the leaking columns",)),
    "no_signal": Cause(
        "the inputs tell nothing of the targets: no method does better than guessing",
        ("give each row its own label", "other inputs", "more rows"),
    ),
    "label_errors": Cause("labels are wrong", ("correct the labels", "fewer epochs", "L2 penalty")),
    "class_imbalance": Cause(
        "rare classes are ignored because of their small share", ("balanced class weights", "oversample rare classes")
    ),
    "drift": Cause(
        "the inputs change along the order of the rows, as over time, and the held-out rows come last",
        ("train on the latest rows", "columns relative to the past", "train again as rows come in"),
    ),
    "train_test_mismatch": Cause("training and held-out rows are prepared differently", ("prepare both alike",)),
    "output_activation_range": Cause(
        "the output activation cannot reach the targets", ("linear output", "scale the targets into the range")
    ),
    "output_loss_mismatch": Cause(
        "the last activation and the loss do not belong together", ("the output the loss asks for", "a fitting loss")
    ),
    "missing_output_activation": Cause(
        "a loss of probabilities gets raw outputs", ("softmax or sigmoid output", "the loss of logits")
    ),
    "single_unit_softmax": Cause("softmax over one unit is always 1", ("sigmoid output", "linear output")),
    "wrong_output_size": Cause("the outputs are not as many as the classes", ("one unit a class",)),
    "wrong_loss": Cause("the loss does not suit the task", ("cross-entropy", "squared error")),
    "loss_scale": Cause("the loss is summed where it should be averaged", ("mean instead of sum",)),
    "target_shape": Cause("every output is compared with every target", ("targets of the outputs' shape",)),
    "missing_hidden_activation": Cause(
        "the hidden layers are linear, so the network is a linear model", ("relu in the hidden layers",)
    ),
    "hidden_softmax": Cause("softmax used as a hidden activation", ("relu in the hidden layers",)),
    "vanishing_gradient": Cause(
        "gradients die out before they reach the early layers",
        ("relu in the hidden layers", "He initialisation", "batch normalisation", "fewer layers"),
    ),
    "exploding_gradient": Cause(
        "gradients grow through layers or time steps", ("gradient clipping", "smaller initial weights")
    ),
    "saturated_units": Cause(
        "sigmoid-like units sit in their flat parts", ("standardise the inputs", "smaller initial weights", "relu")
    ),
    "dead_relu": Cause(
        "rectified units are zero for every row", ("leaky relu", "smaller learning rate", "He initialisation")
    ),
    "bad_init_large": Cause("initial weights far too large", ("He initialisation", "Glorot initialisation")),
    "bad_init_small": Cause("initial weights far too small", ("He initialisation", "Glorot initialisation")),
    "constant_init": Cause(
        "equal initial weights keep the units of a layer identical", ("He initialisation", "Glorot initialisation")
    ),
    "missing_bias": Cause("no bias where the target needs an offset", ("biases",)),
    "under_capacity": Cause("too few units or layers", ("more units", "more layers")),
    "not_linearly_separable": Cause(
        "a linear model on data that no line separates", ("a hidden layer", "averaged perceptron")
    ),
    "overfitting": Cause(
        "fits the training rows beyond what holds on new rows", ("fewer epochs", "L2 penalty", "dropout", "fewer units")
    ),
    "over_regularised": Cause(
        "dropout or a penalty so strong that the signal is lost", ("weaker penalty", "less dropout")
    ),
    "frozen_parameters": Cause("parameters that should learn are not updated", ("train all layers",)),
    "batch_norm_statistics": Cause("batch normalisation keeps no running statistics", ("update the statistics",)),
    "mode_collapse": Cause(
        "the generator covers only part of the data",
        ("larger critic rate", "Wasserstein loss with gradient penalty", "adam", "more critic steps"),
    ),
    "dominant_critic": Cause(
        "the critic tells samples from real rows so surely that its gradient teaches the generator little",
        (
            "smaller critic rate",
            "gradient penalty",
            "loss that does not saturate",
            "Wasserstein loss with gradient penalty",
        ),
    ),
}
"""Every label, with its definition and remedies."""
