"""Activations, losses, metrics, regularisers, initialisers, schedules: a module for each kind."""
