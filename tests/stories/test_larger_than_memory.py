"""A folder of 200 MB is trained on in the memory of a small one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SOURCE = Path(__file__).parents[2]
FEATURES, FILES = 28, 4
ROWS = 200_000_000 // (4 * FEATURES)
STORY = """
import sys
from pathlib import Path
import pellucid as pel
from pellucid.data import table_stream
from pellucid.training import feed

feed.WINDOW_BYTES, feed.OPEN_BYTES, table_stream.SAMPLE_ROWS = 2**22, 2**23, 2**12

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

for folder in sys.argv[1:]:
    data = pel.load_table(folder, "y", held_out=0.05)
    run = pel.train((8,), data, epochs=1, batch_size=1024, learning_rate=0.01, record_every=0, progress=False)
    print(peak(), data.rows + data.held_out_rows, run.result["binary_accuracy"])
"""


def write(folder, rows):
    folder.mkdir()
    weights = np.random.default_rng(0).normal(size=FEATURES)
    for i in range(FILES):
        x = np.random.default_rng(i).standard_normal((rows // FILES, FEATURES), np.float32)
        table = pa.table({f"x{j}": x[:, j] for j in range(FEATURES)} | {"y": (x @ weights > 0).astype(np.int8)})
        pq.write_table(table, folder / f"{i}.parquet", row_group_size=50_000, compression="none", use_dictionary=False)
    return folder


def test_twenty_times_the_rows_take_no_more_memory(tmp_path):
    small, large = write(tmp_path / "small", ROWS // 20), write(tmp_path / "large", ROWS)
    assert sum(file.stat().st_size for file in large.iterdir()) > 200_000_000
    # Small ones first until memory that a training leaves behind, whatever its rows, is there.
    command = [sys.executable, "-c", STORY, *[str(small)] * 3, str(large)]
    # One heap a thread would add some 30 MB by chance: two hold what is in use.
    environment = {"PYTHONPATH": str(SOURCE / "src"), "PATH": "/usr/bin:/bin", "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    *_, (before, few, _), (after, many, accuracy) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert many > 19 * few
    assert accuracy > 0.95
    assert after - before < 50, f"{before} MB, then {after} MB"
