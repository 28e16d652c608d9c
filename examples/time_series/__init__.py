"""Time series, backtested."""
