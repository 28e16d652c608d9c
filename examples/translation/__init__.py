"""Machine translation, English to French."""
