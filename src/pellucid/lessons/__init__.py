"""The claims of the subject, each measured."""
