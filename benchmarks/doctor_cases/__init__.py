"""From a case of training programs, faulty or healthy, to a pellucid run: data, network, loss and optimiser as it says.

The doctor is handed the run, never the case. What a careful library refuses is done here all the same (a loss that
takes probabilities on raw outputs, a softmax over the batch, a negative learning rate), because the programs of the
cases did it; the odd layers and losses are classes of this folder.
"""

from benchmarks.doctor_cases.case import READ, CannotTranslate, Case, read_cases
from benchmarks.doctor_cases.data import arrays_of, dataset_of
from benchmarks.doctor_cases.layers import network_of
from benchmarks.doctor_cases.losses import loss_of
from benchmarks.doctor_cases.optimizers import optimizer_of
from benchmarks.doctor_cases.run import gan_run_of, run_of, training_of

__all__ = [
    "READ",
    "CannotTranslate",
    "Case",
    "arrays_of",
    "dataset_of",
    "gan_run_of",
    "loss_of",
    "network_of",
    "optimizer_of",
    "read_cases",
    "run_of",
    "training_of",
]
