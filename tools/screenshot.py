"""Photograph a page as a browser shows it: ``python tools/screenshot.py runs/demo/report.html report.png``.

Needs Chromium. Given a width of 400 it shows the page as a telephone does.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Read the command line and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1280, help="of the window, in pixels")
    parser.add_argument("--height", type=int, default=2000, help="of the window, in pixels")
    given = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"needs a browser: none of {', '.join(BROWSERS)} is installed.")
    # As root, as in a container, Chromium runs only without its sandbox; the page is one's own.
    command = [
        browser,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={given.width},{given.height}",
        f"--screenshot={given.picture.resolve()}",
        given.page.resolve().as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
