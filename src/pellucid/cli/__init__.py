"""The command line: one verb a task."""
