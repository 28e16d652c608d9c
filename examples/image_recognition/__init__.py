"""Image recognition."""
