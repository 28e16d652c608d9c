"""Data: arrays, tables and named datasets."""

from pellucid.data.arrays import Dataset, Encoder, Part, Preprocessing, make_dataset, split
from pellucid.data.datasets import DatasetInfo, fetch, list_datasets, load_dataset
from pellucid.data.tables import TableEncoder, load_table
from pellucid.data.text import Vocabulary, bag_of_words, load_messages

__all__ = [
    "Dataset",
    "DatasetInfo",
    "Encoder",
    "Part",
    "Preprocessing",
    "TableEncoder",
    "Vocabulary",
    "bag_of_words",
    "fetch",
    "list_datasets",
    "load_dataset",
    "load_messages",
    "load_table",
    "make_dataset",
    "split",
]
