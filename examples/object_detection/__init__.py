"""Object detection: what is in a scene, and where."""
