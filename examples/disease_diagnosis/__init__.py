"""Diagnoses with probabilities that can be believed."""
