"""Functions with a slope: activations, losses, regularisers; initialisers, schedules and metrics."""
