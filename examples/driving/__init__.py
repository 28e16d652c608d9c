"""Steering angles from the frames of a camera."""
