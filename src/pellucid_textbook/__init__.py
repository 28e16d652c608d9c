"""The textbook: catalogue, lessons and the classic neurons, built on the public names of pellucid."""
