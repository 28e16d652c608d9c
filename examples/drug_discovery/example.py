"""Drug discovery.

Properties of molecules from their formulas: solubility in water (ESOL, 1,128 molecules), passage into the brain (BBBP,
2,050) and twelve kinds of toxicity (Tox21, 7,831, a sixth of the answers blank), by a network that reads what chemists
count in a molecule (descriptors by RDKit), by one that reads the formula as a line of text (SMILES), and by both.
Molecules are held out at random, and by scaffold: then no unseen molecule has the rings of one that was learnt from.

Source: Wu et al., MoleculeNet: a benchmark for molecular machine learning, 2018; the data are public (CC0 by their
source). RDKit, https://www.rdkit.org, is under the BSD licence.
"""

import sys
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pellucid as pel
from examples.drug_discovery import pictures
from examples.drug_discovery.molecules import FILES, read, tokenizer
from examples.harness import Bar, Scores, Setting

BOTH = "both networks, averaged"
SPELLED = "network, SMILES as the file spells them"
BARS = [
    Bar("ESOL, random split", "network, descriptors", "RMSE", "<=", 0.75),
    Bar("BBBP, random split", BOTH, "ROC AUC", ">=", 0.90),
    Bar("Tox21, random split", BOTH, "mean ROC AUC", ">=", 0.78),
]
SCORES = {"ESOL": "RMSE", "BBBP": "ROC AUC", "Tox21": "mean ROC AUC"}
EPOCHS = {"ESOL": (150, 40), "BBBP": (30, 12), "Tox21": (20, 8)}
"""Passes over the descriptors, and over the SMILES."""
BATCH = {"ESOL": 32, "BBBP": 32, "Tox21": 64}


def measure(setting: Setting) -> Scores:
    """Train on each data and split, and compare."""
    return {f"{data}, {split} split": compare(data, split, setting) for data in FILES for split in splits(setting)}


def splits(setting: Setting) -> list[str]:
    """How molecules are held out."""
    return ["random"] if setting.quick else ["random", "scaffold"]


def number(setting: Setting) -> int | None:
    """The molecules that are read of each data; None for all."""
    return 400 if setting.quick else None


def compare(data: str, split: str, setting: Setting) -> dict[str, dict[str, float]]:
    """Train both networks and the baselines, and measure them on the molecules that are held out."""
    molecules = read(data, number(setting))
    print(f"{data}: {len(molecules.invalid)} invalid SMILES left out", *molecules.invalid[:1], file=sys.stderr)
    descriptors, texts = parts(data, split, setting)
    rows, unseen = rows_of(descriptors)
    x, y = molecules.descriptors.to_numpy(), molecules.table[molecules.targets].to_numpy(float)
    answers: dict[str, Any] = {
        "network, descriptors": answer(train_on_descriptors(descriptors, data, split, setting), x[unseen])
    }
    if split == "random":
        run = train_on_texts(texts, f"{data}-smiles", data, setting)
        answers["network, SMILES"] = answer(run, molecules.table["smiles"][unseen].tolist())
        answers[BOTH] = np.mean(list(answers.values()), axis=0)
    if split == "random" and data == "BBBP" and not setting.quick:
        _, texts = parts(data, split, setting, text="spelled")
        run = train_on_texts(texts, f"{data}-spelled", data, setting)
        answers[SPELLED] = answer(run, molecules.table["spelled"][unseen].tolist())
    for method, model in baselines(data, setting).items():
        answers[method] = baseline(model, x[rows], y[rows], x[unseen])
    np.savez(setting.folder / f"{data}-{split}.npz", y=y[unseen], **answers)
    score = rmse if data == "ESOL" else mean_auc
    return {method: {SCORES[data]: score(y[unseen], values)} for method, values in answers.items()}


def parts(data: str, split: str, setting: Setting, text: str = "smiles") -> tuple[pel.Dataset, pel.Dataset]:
    """Hold the same molecules out of both datasets: a fifth of the molecules, or of the scaffolds.

    A molecule that the file holds twice is in one part: it is a group, as a scaffold is.
    """
    molecules = read(data, number(setting))
    table, targets = molecules.table, molecules.targets
    several = len(targets) > 1
    descriptors = pel.make_dataset(
        molecules.descriptors,
        table[targets].to_numpy() if several else table[targets[0]],
        classes=targets if several else None,
        groups=table["scaffold" if split == "scaffold" else "smiles"],
        held_out=0.2,
        seed=setting.seed,
    )
    learnt, unseen = (table.loc[rows, [text, *targets]] for rows in rows_of(descriptors))
    texts = pel.data.load_texts(
        learnt, text, targets if several else targets[0], tokenizer=tokenizer(learnt[text]), length=100, held_out=unseen
    )
    return descriptors, texts


def rows_of(data: pel.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The molecules to learn from, and those held out."""
    assert data.train.rows is not None
    assert data.held_out is not None
    assert data.held_out.rows is not None
    return data.train.rows, data.held_out.rows


def output(data: pel.Dataset) -> pel.Dense:
    """The answer: a number, or a probability for each target."""
    if data.task == "regression":
        return pel.Dense(1)
    return pel.Dense(len(data.classes) if data.task == "multilabel" else 1, "sigmoid")


def train_on_descriptors(data: pel.Dataset, name: str, split: str, setting: Setting) -> pel.Run:
    """Train a network of two hidden layers on what RDKit counts in a molecule."""
    epochs = EPOCHS[name][0]
    return pel.train(
        pel.Network(pel.Dense(256, "relu"), pel.Dropout(0.3), pel.Dense(64, "relu"), pel.Dropout(0.3), output(data)),
        data,
        epochs=epochs,
        batch_size=BATCH[name],
        optimizer=pel.AdamW(pel.schedules.CosineDecay(1e-3, epochs=epochs)),
        scale_inputs="min_max",  # a fragment that is rare would be huge if it were standardised
        seed=setting.seed,
        folder=setting.folder / f"{name}-{split}-descriptors",
        overwrite=True,
    )


def train_on_texts(data: pel.Dataset, folder: str, name: str, setting: Setting) -> pel.Run:
    """Train a convolutional network on the tokens of SMILES: what is found anywhere along the line counts."""
    assert isinstance(data.encoder, pel.data.TokenEncoder)
    epochs = 3 if setting.quick else EPOCHS[name][1]
    return pel.train(
        pel.Network(
            pel.Embedding(data.encoder.vocabulary, 32, mask_zero=True),
            pel.layers.Conv1D(64, 5, "relu", padding="same"),
            pel.layers.Conv1D(64, 5, "relu", padding="same"),
            pel.layers.GlobalMaxPool(),
            pel.Dropout(0.3),
            pel.Dense(64, "relu"),
            pel.Dropout(0.3),
            output(data),
        ),
        data,
        epochs=epochs,
        batch_size=BATCH[name],
        optimizer=pel.Adam(pel.schedules.CosineDecay(2e-3, epochs=epochs)),
        group_by_length=not setting.quick,  # shorter batches, more programs to compile
        seed=setting.seed,
        folder=setting.folder / folder,
        overwrite=True,
    )


def answer(run: pel.Run, x: Any) -> np.ndarray:
    """What a run says of molecules: numbers ``(rows, 1)``, or probabilities ``(rows, targets)``."""
    answers = run.predict(x) if run.facts.task == "regression" else run.outputs(x)
    return np.asarray(answers).reshape(len(x), -1)


def baselines(data: str, setting: Setting) -> dict[str, Any]:
    """What reads the same descriptors."""
    trees: dict[str, Any] = {"n_estimators": 20 if setting.quick else 50, "n_jobs": 1, "random_state": setting.seed}
    if data == "ESOL":
        return {
            "random forest": RandomForestRegressor(max_features=0.3, **trees),
            "ridge regression": make_pipeline(StandardScaler(), Ridge(10.0)),
        }
    return {
        "random forest": RandomForestClassifier(min_samples_leaf=2, **trees),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)),
    }


def baseline(model: Any, x: np.ndarray, y: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """Fit a model for each target on the molecules whose answer is known, and predict the unseen ones."""
    answers = []
    for target in y.T:
        known = ~np.isnan(target)
        model.fit(x[known], target[known])
        answers.append(model.predict_proba(unseen)[:, 1] if hasattr(model, "predict_proba") else model.predict(unseen))
    return np.stack(answers, axis=1)


def rmse(y: np.ndarray, answers: np.ndarray) -> float:
    """The root of the mean squared error."""
    return float(np.sqrt(np.mean((answers - y) ** 2)))


def mean_auc(y: np.ndarray, answers: np.ndarray) -> float:
    """The mean over the targets of the area below the ROC curve, each over its known answers."""
    return float(np.mean([area(*both) for both in zip(y.T, answers.T, strict=True)]))


def area(y: np.ndarray, answers: np.ndarray) -> float:
    """The area below the ROC curve, over the known answers."""
    known = ~np.isnan(y)
    return float(roc_auc_score(y[known], answers[known]))


def draw(setting: Setting) -> dict[str, str]:
    """Draw what was predicted, which atoms mattered, and which descriptors."""
    pairs = [(data, split) for data in FILES for split in splits(setting)]
    predicted = {f"{data}, {split}": np.load(setting.folder / f"{data}-{split}.npz") for data, split in pairs}
    tasks = {data: read(data, number(setting)).targets for data in FILES if data != "ESOL"}
    pictures.predictions(predicted, splits(setting), tasks, area).savefig(setting.picture("predictions.svg"))
    words = {"ESOL": "log solubility {:.1f}, measured {:.1f}", "BBBP": "passes into the brain: {:.0%}, in truth {:.0%}"}
    opened = [molecule for data in words for molecule in extremes(data, words[data], setting)]
    pictures.molecules(opened).savefig(setting.picture("molecules.png"), dpi=90)
    run, (descriptors, _) = pel.load(setting.folder / "ESOL-random-descriptors"), parts("ESOL", "random", setting)
    worth = run.permutation_importance(data=descriptors)
    pictures.importance(worth).savefig(setting.picture("descriptors.svg"))
    return {"doctor": str(run.diagnose(descriptors))}


def extremes(data: str, words: str, setting: Setting) -> list[tuple[str, str, np.ndarray]]:
    """The unseen molecules of 8 to 24 atoms with the least and the greatest answer, of those answered well.

    Returns:
        SMILES, title, and what each atom adds to the answer of the network that reads SMILES.
    """
    run = pel.load(setting.folder / f"{data}-smiles")
    _, unseen = rows_of(parts(data, "random", setting)[0])
    texts = read(data, number(setting)).table["smiles"][unseen].tolist()
    with np.load(setting.folder / f"{data}-random.npz") as kept:
        truth, answers = kept["y"][:, 0], kept["network, SMILES"][:, 0]
    well = [row for row in np.argsort(answers) if abs(answers[row] - truth[row]) < 0.5]
    chosen = [row for row in well if 8 <= len(pictures.atoms(texts[row])) <= 24]
    return [
        (
            texts[row],
            words.format(answers[row], truth[row]),
            pictures.occlude(texts[row], lambda spelled: answer(run, spelled)[:, 0]),
        )
        for row in (chosen[0], chosen[-1])
    ]
