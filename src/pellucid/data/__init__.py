"""Data: arrays, tables and named datasets."""
