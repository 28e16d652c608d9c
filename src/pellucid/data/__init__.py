"""Data: arrays, tables and named datasets."""

from pellucid.data.arrays import (
    SCALINGS,
    Dataset,
    Encoder,
    Part,
    Preprocessing,
    generation,
    make_dataset,
    reconstruction,
    split,
)
from pellucid.data.datasets import DatasetInfo, fetch, list_datasets, load_dataset
from pellucid.data.points import Coverage, GaussianMixture, gaussian_grid, gaussian_ring, mode_coverage
from pellucid.data.tables import TableEncoder, load_table
from pellucid.data.text import Vocabulary, bag_of_words, load_messages
from pellucid.data.translation import (
    Lexicon,
    SentenceEncoder,
    SentencePairs,
    load_pairs,
    load_translations,
    prepare_translations,
)

__all__ = [
    "SCALINGS",
    "Coverage",
    "Dataset",
    "DatasetInfo",
    "Encoder",
    "GaussianMixture",
    "Lexicon",
    "Part",
    "Preprocessing",
    "SentenceEncoder",
    "SentencePairs",
    "TableEncoder",
    "Vocabulary",
    "bag_of_words",
    "fetch",
    "generation",
    "gaussian_grid",
    "gaussian_ring",
    "list_datasets",
    "load_dataset",
    "load_messages",
    "load_pairs",
    "load_table",
    "load_translations",
    "make_dataset",
    "mode_coverage",
    "prepare_translations",
    "reconstruction",
    "split",
]
