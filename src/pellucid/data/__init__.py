"""Data: arrays, tables and named datasets."""

from pellucid.data.arrays import SCALINGS, Dataset, Encoder, Part, Preprocessing, make_dataset, reconstruction, split
from pellucid.data.datasets import DatasetInfo, fetch, list_datasets, load_dataset
from pellucid.data.points import Coverage, GaussianMixture, gaussian_grid, gaussian_ring, mode_coverage
from pellucid.data.tables import TableEncoder, load_table
from pellucid.data.text import Vocabulary, bag_of_words, load_messages
from pellucid.data.translation import Lexicon, Translations, load_pairs, prepare_translations

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
    "TableEncoder",
    "Translations",
    "Vocabulary",
    "bag_of_words",
    "fetch",
    "gaussian_grid",
    "gaussian_ring",
    "list_datasets",
    "load_dataset",
    "load_messages",
    "load_pairs",
    "load_table",
    "make_dataset",
    "mode_coverage",
    "prepare_translations",
    "reconstruction",
    "split",
]
