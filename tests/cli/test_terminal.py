"""The command line as a process: start, terminal, colours."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

PELLUCID = [sys.executable, "-m", "pellucid.cli.main"]


def test_help_is_fast_and_imports_no_numerical_library():
    program = (
        "import sys\n"
        "from pellucid.cli.main import main\n"
        "for verb in ([], ['train'], ['predict'], ['evaluate'], ['data']):\n"
        "    try: main([*verb, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "print({'jax', 'sklearn', 'numpy', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
    assert "130 interrupted" in done.stdout
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([*PELLUCID, "--help"], capture_output=True, check=True)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.3  # the best of five, for other programs may run beside this one


def test_version():
    done = subprocess.run([*PELLUCID, "--version"], capture_output=True, text=True, check=True)
    assert re.search(r"\d+\.\d+", done.stdout)


def on_a_terminal(arguments, **environment):
    """What a command writes on a terminal of its own (stderr) and on stdout."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX")
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "160"} | environment
    written = bytearray()
    with subprocess.Popen(
        [*PELLUCID, *arguments], stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True
    ) as process:
        os.close(theirs)
        try:
            while part := os.read(ours, 65536):
                written += part
        except OSError:  # how Linux ends a terminal whose other side is closed
            pass
        os.close(ours)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, written.decode()
    return written.decode(), out


def test_a_live_bar_on_a_terminal_shows_where_the_training_stands_without_colour_where_asked(tmp_path):
    arguments = ["train", "iris", "--network", "8", "--epochs", "4000", "--json", "--folder", str(tmp_path / "run")]
    shown, out = on_a_terminal(arguments, NO_COLOR="1")
    assert "\x1b[2K" in shown  # a line written over and over
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)
    assert re.search(r"epoch \d+/4000 .*loss \d+\.\d{4} · accuracy [01]\.\d{4} · [\d,]+ examples/s · \d+ s left", text)
    assert json.loads(out)["stopped"] == "epochs"
    styles = {number for code in re.findall(r"\x1b\[[\d;]*m", shown) for number in re.findall(r"\d+", code)}
    assert styles <= {"0", "1", "2"}  # plain, bold, faint
