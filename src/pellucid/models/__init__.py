"""Ready models built of the floors below."""
