"""One example through a network with every number, a network opened, the catalogue of the subject."""
