"""Storage: run folders and checkpoints."""

from pellucid.storage.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from pellucid.storage.run_folder import RunFolder, read_toml

__all__ = ["RunFolder", "latest_checkpoint", "load_checkpoint", "read_toml", "save_checkpoint"]
