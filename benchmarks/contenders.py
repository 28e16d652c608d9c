"""The contenders of the training workloads: the same network and data, each as its users would write it.

Every one trains on every row, shuffles every epoch, and evaluates nothing while the time is taken. Peers get
the rows as float32 numbers already scaled, and are written in the faster way where there is a choice.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import Run, Unavailable

LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Task:
    """What is trained: data, network, batch size.

    Args:
        data: ``mnist``, ``mnist-5k`` or ``digits``; all training rows, and held-out rows to predict.
        hidden: units of the hidden layers, ReLU; ten softmax outputs follow.
        batch_size: rows of a step.
        epochs: epochs of a round.
        network: ``cnn``, ``lstm``, ``gru`` or ``autoencoder`` instead, as pellucid builds them by these names.
        dropout: share dropped after the dense hidden layer of the ``cnn``.
    """

    data: str
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int = 1
    network: str | None = None
    dropout: float = 0.0

    def dataset(self) -> Any:
        """The dataset as pellucid holds it: pixels as they are stored, and their scale."""
        if self.data == "digits":
            from sklearn.datasets import load_digits

            from pellucid.data import Preprocessing, make_dataset

            x, y = load_digits(return_X_y=True)
            return make_dataset(
                x.astype(np.uint8), y, task="multiclass", held_out=None, preprocessing=Preprocessing(scale=1 / 16)
            )
        from pellucid.data import load_dataset

        return load_dataset(self.data)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The training rows as the peers hold them: flat, float32, scaled; and their classes."""
        dataset = self.dataset()
        return flat(dataset.train.x, dataset), np.asarray(dataset.train.y)


def flat(x: np.ndarray, dataset: Any) -> np.ndarray:
    """Examples as rows of scaled float32 numbers."""
    return x.reshape(len(x), -1).astype(np.float32) * np.float32(dataset.preprocessing.scale)


class Contender(NamedTuple):
    """A network ready to be trained.

    Args:
        train: trains for that many epochs, and returns when all of it is done.
        predict: the classes of flat float32 rows.
    """

    train: Callable[[int], None]
    predict: Callable[[np.ndarray], np.ndarray]


def per_step(build: Callable[..., Contender], task: Task, **options: Any) -> Run:
    """A contender warmed up by one epoch, timed over the epochs of a round: milliseconds a step."""
    contender = build(task, **options)
    contender.train(1)
    steps = task.epochs * -(-len(task.dataset().train) // task.batch_size)

    def run() -> float:
        began = time.perf_counter()
        contender.train(task.epochs)
        return (time.perf_counter() - began) * 1e3 / steps

    return run


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pellucid(
    task: Task, record_every: int = 20, record: tuple[str, ...] | None = None, histograms_every: int = 0
) -> Contender:
    """The library as it is: the program of `pellucid.train`, without run folder and progress bar."""
    import jax.numpy as jnp

    from pellucid.architectures.by_name import build_by_name
    from pellucid.architectures.feedforward import feedforward
    from pellucid.architectures.tasks import OUTPUTS
    from pellucid.functions.losses import losses
    from pellucid.functions.metrics import metrics
    from pellucid.optimizers import Adam
    from pellucid.runs.scaling import scaling_of
    from pellucid.training import DEFAULT_GROUPS, History, Recorder, Rows, Supervised, Training, initial_state

    dataset = task.dataset()
    if task.network is None:
        network = feedforward(dataset, task.hidden).accepting(dataset.input_shape)
    else:
        network, dataset = build_by_name(task.network, dataset)
    end = OUTPUTS[dataset.task]
    program = Supervised(
        network,
        losses.build(end.loss),
        metrics.build(end.metric),
        task.batch_size,
        Recorder(record_every, DEFAULT_GROUPS if record is None else record, histograms_every),
    )
    optimizer = Adam(LEARNING_RATE)
    training = Training(
        program,
        scaling_of(dataset.preprocessing),
        Rows(jnp.asarray(dataset.train.x), None if task.network == "autoencoder" else jnp.asarray(dataset.train.y)),
        None,
        optimizer,
        initial_state(network, optimizer, None, dataset.input_shape, 0, recorder=program.recorder),
        History.begin(program, len(dataset.train)),
    )

    def train(epochs: int) -> None:
        for _ in training.run(training.history.epochs_made + epochs):
            pass

    def predict(x: np.ndarray) -> np.ndarray:
        rows = jnp.asarray(x).reshape(-1, *dataset.input_shape)
        outputs = network.forward(training.params, training.layer_state, rows).outputs[-1]
        return np.asarray(outputs.argmax(axis=1))

    return Contender(train, predict)


def without_kernels(task: Task) -> Contender:
    """`pellucid` with XLA's code alone; in a process of its own, which loads no kernels."""
    os.environ["PELLUCID_KERNELS"] = "off"
    return pellucid(task)


def pytorch(
    task: Task,
    fused: bool | None = None,
    compiled: bool = False,
    threads: int | None = None,
    channels_last: bool = False,
    seed: int = 0,
) -> Contender:
    """PyTorch. Rows are taken by index from a tensor in memory, which is faster than a ``DataLoader``."""
    import torch
    from torch import nn

    torch.set_num_threads(threads or cores())
    torch.manual_seed(seed)
    form = torch.channels_last if channels_last else torch.contiguous_format
    x, y = task.arrays()
    shape = {"cnn": (1, 28, 28), "lstm": (28, 28), "gru": (28, 28)}.get(task.network or "", x.shape[1:])
    x, y = torch.from_numpy(x).reshape(-1, *shape), torch.from_numpy(y.astype(np.int64))
    x = x.to(memory_format=form) if channels_last else x
    model = _torch_network(task, x.shape[-1]).to(memory_format=form)
    called = torch.compile(model) if compiled else model
    loss_function = nn.CrossEntropyLoss()
    if task.network == "autoencoder":
        loss_function, y = nn.MSELoss(), x
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=fused)

    def train(epochs: int) -> None:
        model.train()
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(task.batch_size):
                optimizer.zero_grad(set_to_none=True)
                loss_function(called(x[rows]), y[rows]).backward()
                optimizer.step()

    def predict(x: np.ndarray) -> np.ndarray:
        model.eval()
        with torch.no_grad():
            parts = torch.from_numpy(x).reshape(-1, *shape).split(1000)
            return torch.cat([model(part).argmax(dim=1) for part in parts]).numpy()

    if compiled:
        try:
            called(x[: task.batch_size])
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise Unavailable(f"torch.compile does not work on this machine: {reason}") from error
    return Contender(train, predict)


def _torch_network(task: Task, inputs: int) -> Any:
    """The network that pellucid builds by the same name, as PyTorch's users write it."""
    from torch import nn

    if task.network == "cnn":
        convolutions = [
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        return nn.Sequential(
            *convolutions, nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Dropout(task.dropout), nn.Linear(128, 10)
        )
    if task.network in ("lstm", "gru"):
        recurrent = nn.LSTM if task.network == "lstm" else nn.GRU

        class Reader(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.recurrent, self.head = recurrent(inputs, 128, batch_first=True), nn.Linear(128, 10)

            def forward(self, x: Any) -> Any:
                return self.head(self.recurrent(x)[0][:, -1])

        return Reader()
    autoencoder = task.network == "autoencoder"
    widths = (inputs, *((128, 32, 128, inputs) if autoencoder else (*task.hidden, 10)))
    layers: list[nn.Module] = []
    for width, units in pairwise(widths):
        linear = autoencoder and units == 32  # the code
        layers += [nn.Linear(width, units), nn.Identity() if linear else nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Sigmoid() if autoencoder else nn.Identity())


def keras(task: Task) -> Contender:
    """Keras 3 on JAX: ``model.fit``. No metrics, which would slow it down."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras as k

    k.utils.set_random_seed(0)
    x, y = task.arrays()
    model: Any = k.Sequential(
        [k.Input(x.shape[1:]), *(k.layers.Dense(units, activation="relu") for units in task.hidden), k.layers.Dense(10)]
    )
    model.compile(
        optimizer=k.optimizers.Adam(LEARNING_RATE), loss=k.losses.SparseCategoricalCrossentropy(from_logits=True)
    )

    def train(epochs: int) -> None:
        model.fit(x, y, batch_size=task.batch_size, epochs=epochs, shuffle=True, verbose=0)

    return Contender(train, lambda x: np.argmax(model.predict(x, verbose=0), axis=1))


def flax(task: Task) -> Contender:
    """Flax (linen) and Optax: a jitted step in a Python loop; the step gathers its rows: that is faster."""
    from functools import partial

    import jax
    import jax.numpy as jnp
    import optax
    from flax import linen
    from flax.training.train_state import TrainState

    class Network(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for units in task.hidden:
                x = linen.relu(linen.Dense(units)(x))
            return linen.Dense(10)(x)

    x, y = (jnp.asarray(array) for array in task.arrays())
    network = Network()
    state = TrainState.create(
        apply_fn=network.apply, params=network.init(jax.random.key(0), x[:1])["params"], tx=optax.adam(LEARNING_RATE)
    )

    @partial(jax.jit, donate_argnums=0)
    def step(state: TrainState, x: jax.Array, y: jax.Array, rows: jax.Array) -> TrainState:
        def loss(params: Any) -> jax.Array:
            logits = state.apply_fn({"params": params}, x[rows])
            return optax.softmax_cross_entropy_with_integer_labels(logits, y[rows]).mean()

        return state.apply_gradients(grads=jax.grad(loss)(state.params))

    rng = np.random.default_rng(0)

    def train(epochs: int) -> None:
        nonlocal state
        for _ in range(epochs):
            order = rng.permutation(len(x)).astype(np.int32)
            for start in range(0, len(x), task.batch_size):
                state = step(state, x, y, order[start : start + task.batch_size])
        jax.block_until_ready(state)

    return Contender(train, lambda x: np.asarray(state.apply_fn({"params": state.params}, x)).argmax(axis=1))


def scikit_learn(task: Task) -> Contender:
    """scikit-learn's ``MLPClassifier``, whose ``partial_fit`` is one epoch; without its L2 penalty."""
    from sklearn.neural_network import MLPClassifier

    x, y = task.arrays()
    settings: dict[str, Any] = {"batch_size": task.batch_size, "learning_rate_init": LEARNING_RATE}
    model = MLPClassifier(task.hidden, **settings, alpha=0.0, random_state=0)

    def train(epochs: int) -> None:
        for _ in range(epochs):
            model.partial_fit(x, y, classes=range(10))

    return Contender(train, lambda x: np.asarray(model.predict(x)))
