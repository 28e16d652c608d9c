"""The command line as ``python -m pellucid``."""

from pellucid.cli.main import main

if __name__ == "__main__":
    main(prog_name="pellucid")
