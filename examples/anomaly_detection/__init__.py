"""The example: anomaly detection."""
