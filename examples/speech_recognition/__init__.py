"""Spoken digits: alone, by an unknown speaker, and joined to strings."""
