"""Generative adversarial networks: which modes they cover, and what a step takes."""

import time
from functools import partial
from typing import Any

from benchmarks import contenders
from benchmarks.measure import Case, Run, compare, say
from benchmarks.workload import Settings, Target, Workload, faster_than

UNITS, DEPTH, BATCH_SIZE, CRITIC_STEPS, LATENT, STRENGTH = 64, 3, 64, 5, 2, 0.1
RATE = 2e-3
EPOCHS = {"ring": 64, "grid": 192}
"""Passes over 50,000 points: 10,000 and 30,000 steps of WGAN-GP."""
SAMPLES = 10_000
EAGER = ("PyTorch, default Adam", "PyTorch, fused Adam", "PyTorch, fused Adam, one thread")


def mixture_of(name: str) -> Any:
    """The mixture of Gaussians of that name."""
    from pellucid.data import gaussian_grid, gaussian_ring

    return {"ring": gaussian_ring, "grid": gaussian_grid}[name]()


def optimizer_of(loss: str, epochs: int) -> Any:
    """Adam with a rate that falls to 0: for each loss what covered most modes in trials from 2e-4 to 2e-3."""
    import pellucid

    rate, beta2 = {"wasserstein": (RATE, 0.9), "gan": (2e-4, 0.999)}[loss]
    decay = {"name": "cosine_decay", "learning_rate": rate, "epochs": epochs}
    return pellucid.Adam(decay, beta1=0.5, beta2=beta2)


def train(name: str, loss: str, seed: int, epochs: int) -> Any:
    """One training of the networks that `pellucid.train` takes for points of a plane."""
    import pellucid

    return pellucid.train(
        "wgan",
        mixture_of(name).dataset(),
        loss=loss,
        optimizer=optimizer_of(loss, epochs),
        batch_size=BATCH_SIZE,
        epochs=epochs,
        seed=seed,
        progress=False,
    )


CONTENDERS = {"WGAN-GP": "wasserstein", "GAN": "gan"}


def coverage(name: str, settings: Settings) -> list[Case]:
    """Modes covered and samples on them, a seed a round."""
    modes = Case(f"{name}, modes covered", "modes", "WGAN-GP", {who: [] for who in CONTENDERS})
    good = Case(f"{name}, samples within 3 σ", "share", "WGAN-GP", {who: [] for who in CONTENDERS})
    epochs = 1 if settings.quick else EPOCHS[name]
    for seed in range(settings.rounds):
        for who, loss in CONTENDERS.items():
            began = time.perf_counter()
            run = train(name, loss, seed, epochs)
            found = mixture_of(name).coverage(run.sample(SAMPLES))
            say(f"{name}, seed {seed}, {who}: {found}, {time.perf_counter() - began:.0f} s")
            modes.samples[who].append(found.covered)
            good.samples[who].append(found.high_quality)
    return [modes, good]


def pellucid_step(epochs: int) -> Run:
    """The program of `pellucid.train`, without run folder and progress bar: milliseconds a step."""
    import pellucid
    from pellucid.runs.fit import begin
    from pellucid.runs.plan import settle

    data = mixture_of("ring").dataset()
    adam = pellucid.Adam(RATE, beta1=0.5, beta2=0.9)
    training = begin(settle("wgan", data, {"optimizer": adam, "batch_size": BATCH_SIZE})).training
    assert training is not None

    def train_on() -> None:
        for _ in training.run(training.history.epochs_made + epochs):
            pass

    train_on()

    def run() -> float:
        began = time.perf_counter()
        train_on()
        return (time.perf_counter() - began) * 1e3 / (epochs * training.steps_per_epoch)

    return run


def pytorch_step(epochs: int, fused: bool | None = None, threads: int | None = None) -> Run:
    """The same game as its users write it in PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(threads or contenders.cores())
    torch.manual_seed(0)
    data = mixture_of("ring").dataset()
    x = torch.from_numpy(data.preprocessing.apply_numpy(data.train.x))

    def network(inputs: int, outputs: int) -> nn.Module:
        layers: list[nn.Module] = []
        for i in range(DEPTH):
            layers += [nn.Linear(UNITS if i else inputs, UNITS), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(UNITS, outputs))

    generator, critic = network(LATENT, 2), network(2, 1)
    options: dict[str, Any] = {"lr": RATE, "betas": (0.5, 0.9), "fused": fused}
    of_generator = torch.optim.Adam(generator.parameters(), **options)
    of_critic = torch.optim.Adam(critic.parameters(), **options)

    def penalty(real: torch.Tensor, generated: torch.Tensor) -> torch.Tensor:
        share = torch.rand(len(real), 1)
        line = (share * real + (1 - share) * generated).requires_grad_()
        gradients = torch.autograd.grad(critic(line).sum(), line, create_graph=True)[0]
        return STRENGTH * ((gradients.norm(2, dim=1) - 1) ** 2).mean()

    def epoch() -> int:
        batches = torch.randperm(len(x)).split(BATCH_SIZE)
        steps = len(batches) // CRITIC_STEPS
        for step in range(steps):
            for rows in batches[step * CRITIC_STEPS : (step + 1) * CRITIC_STEPS]:
                real = x[rows]
                with torch.no_grad():
                    generated = generator(torch.randn(len(real), LATENT))
                of_critic.zero_grad(set_to_none=True)
                loss = critic(generated).mean() - critic(real).mean()
                (loss + penalty(real, generated)).backward()
                of_critic.step()
            of_generator.zero_grad(set_to_none=True)
            (-critic(generator(torch.randn(BATCH_SIZE, LATENT))).mean()).backward()
            of_generator.step()
        return steps

    epoch()

    def run() -> float:
        began = time.perf_counter()
        steps = sum(epoch() for _ in range(epochs))
        return (time.perf_counter() - began) * 1e3 / steps

    return run


def measure(settings: Settings) -> list[Case]:
    """The step against PyTorch, then the modes of ring and grid."""
    builds = {
        "pellucid": partial(pellucid_step, 4),
        EAGER[0]: partial(pytorch_step, 1),
        EAGER[1]: partial(pytorch_step, 1, fused=True),
        EAGER[2]: partial(pytorch_step, 1, fused=True, threads=1),
    }
    cases = [compare(Case("ring, one step", "ms/step", "pellucid"), builds, settings.rounds)]
    for name in EPOCHS:
        cases += coverage(name, settings)
    return cases


def _least(case: Case) -> float:
    return min(case.samples["WGAN-GP"])


WORKLOAD = Workload(
    "gan",
    "Generative adversarial networks on points of a plane",
    "Eight Gaussians on a ring (radius 2, σ 0.02) and 25 on a grid (spacing 2, σ 0.05), 50,000 points each; generator "
    "and critic of three hidden layers of 64 ReLU units, two numbers of noise, batch 64, Adam with a rate that "
    "falls to 0. WGAN-GP makes five critic updates a step, λ = 0.1; the plain GAN (non-saturating) one, over as many "
    "points. A round is a whole training with another seed; 10,000 samples. A mode is covered by at least a "
    "quarter of its fair share of samples within 3 σ of it. The step is one of WGAN-GP with its five critic updates, "
    "against PyTorch's with `autograd.grad(create_graph=True)`.",
    measure,
    (
        faster_than("ring, one step", "PyTorch (eager, the fastest)", *EAGER, times=5.0),
        Target("ring, modes covered", "8 of 8 with every seed", _least, 8),
        Target("ring, samples within 3 σ", "at least 0.8 with every seed", _least, 0.8),
        Target("grid, modes covered", "at least 24 of 25 with every seed", _least, 24),
        Target("grid, samples within 3 σ", "at least 0.8 with every seed", _least, 0.8),
    ),
)
