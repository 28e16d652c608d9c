"""Whole programs of the peers, each as a user would write it: load, train, evaluate, save."""
