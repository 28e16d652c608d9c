"""Atomic writes: whatever happens, the file is the old one or the new one."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from pellucid.core.errors import StorageError
from pellucid.core.files import sha256, write_atomically, write_bytes


def test_replaces_the_whole_content_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "run.bin"
    write_bytes(path, b"a longer first content")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["run.bin"]


def test_new_files_have_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_leaves_the_previous_file_and_says_so(tmp_path):
    path = tmp_path / "run.bin"
    write_bytes(path, b"old")

    def write(file):
        file.write(b"half of the new")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError) as caught:
        write_atomically(path, write)
    text = str(caught.value)
    assert "No space left on device" in text
    assert "The previous file is untouched." in text
    assert "MB are free there" in text
    assert "Free some space" in text
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["run.bin"]


def test_a_first_write_that_fails_promises_no_previous_file(tmp_path):
    def write(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError) as caught:
        write_atomically(tmp_path / "new.bin", write)
    assert "previous" not in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_other_failures_pass_through_and_leave_nothing_behind(tmp_path, error):
    write_bytes(tmp_path / "run.bin", b"old")

    def write(file):
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        write_atomically(tmp_path / "run.bin", write)
    assert (tmp_path / "run.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["run.bin"]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StorageError, match=r"taken.*is a file, not a folder"):
        write_bytes(tmp_path / "taken" / "run.bin", b"x")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")
def test_killed_in_the_middle_of_a_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "run.bin"
    write_bytes(path, b"old")
    program = textwrap.dedent(
        """
        import os, signal, sys
        from pellucid.core.files import write_atomically

        def write(file):
            file.write(b"half of the new")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

        write_atomically(sys.argv[1], write)
        """
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], env=os.environ | _source_path())
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def _source_path():
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_a_reader_never_sees_a_part(tmp_path):
    path = tmp_path / "run.bin"
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    write_bytes(path, contents[0])
    stop = threading.Event()

    def keep_writing():
        while not stop.is_set():
            for content in contents:
                write_bytes(path, content)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        assert all(path.read_bytes() in contents for _ in range(300))
    finally:
        stop.set()
        writer.join()


def test_sha256_of_a_file_is_that_of_its_bytes_and_of_the_standard(tmp_path):
    # The "abc" example of FIPS 180-4.
    write_bytes(tmp_path / "abc", b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "abc") == sha256(str(tmp_path / "abc")) == sha256(b"abc") == expected
