"""The example: generating images."""
