"""Trackers: callbacks that send a training to TensorBoard, MLflow or Weights & Biases."""
