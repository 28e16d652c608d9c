"""The textbook: catalogue, lessons and the classic neurons."""

from pellucid_textbook import *  # noqa: F403
