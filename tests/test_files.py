"""files.py: content is there whole, or as it was before."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from keras_mpat import files, locks


def test_text_json_and_bytes_are_written(tmp_path):
    files.write_text(tmp_path / "a.txt", "ε ≤ 8/255\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "ε ≤ 8/255\n"
    files.write_json(str(tmp_path / "b.json"), {"radius": 0.1, "none": None})
    assert json.loads((tmp_path / "b.json").read_text()) == {
        "radius": 0.1,
        "none": None,
    }
    with files.written(tmp_path / "c.npz", "wb") as file:
        np.savez(file, x=np.arange(3))
    with np.load(tmp_path / "c.npz") as stored:
        np.testing.assert_array_equal(stored["x"], [0, 1, 2])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.txt",
        "b.json",
        "c.npz",
    ]


def test_until_the_block_ends_the_old_content_stays(tmp_path):
    path = tmp_path / "state.json"
    files.write_text(path, "old")
    with files.written(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_content_and_nothing_else(
    tmp_path, monkeypatch, fails
):
    path = tmp_path / "state.json"
    files.write_text(path, "old")

    def full(*_):
        raise OSError("No space left on device")

    if fails != "write":
        monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space"), files.written(path) as file:
        file.write("new")
        if fails == "write":
            full()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def _writer(path, content, began=None, ended=None):
    with files.written(path) as file:
        file.write(content)
        if began is not None:
            began.set()
            assert ended.wait(60)


def test_two_that_write_one_file_take_turns(tmp_path):
    path = tmp_path / "table.md"
    with files.written(path) as file:
        file.write("first")
        second = threading.Thread(target=_writer, args=(path, "second"), daemon=True)
        second.start()
        second.join(0.3)
        assert second.is_alive()
    second.join(60)
    assert path.read_text() == "second"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_who_waited_for_a_file_that_has_moved_has_a_turn_of_its_own(tmp_path):
    path = tmp_path / "table.md"
    began, ended = threading.Event(), threading.Event()
    waits = threading.Thread(
        target=_writer, args=(path, "second", began, ended), daemon=True
    )
    with files.written(path) as file:
        file.write("first")
        waits.start()
        waits.join(0.3)
    assert began.wait(60)
    third = threading.Thread(target=_writer, args=(path, "third"), daemon=True)
    third.start()
    third.join(0.3)
    assert third.is_alive() and path.read_text() == "first"
    ended.set()
    waits.join(60)
    third.join(60)
    assert path.read_text() == "third"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


# The package without its __init__, which would import TensorFlow in each process.
_PROCESS = """
import sys
import types
sys.modules["keras_mpat"] = types.ModuleType("keras_mpat")
sys.modules["keras_mpat"].__path__ = [sys.argv[3]]
from keras_mpat import files
for _ in range(200):
    files.write_text(sys.argv[1], sys.argv[2] * 50_000)
"""


def test_processes_that_write_one_file_at_once_all_go_on(tmp_path):
    path = tmp_path / "table.md"
    package, start = os.path.dirname(files.__file__), (sys.executable, "-c", _PROCESS)
    processes = [
        subprocess.Popen([*start, str(path), letter, package]) for letter in "abc"
    ]
    assert [process.wait(300) for process in processes] == [0, 0, 0]
    assert len(set(path.read_text())) == 1 and path.stat().st_size == 50_000
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path):
    path = tmp_path / "table.md"
    (tmp_path / "table.md.part").write_text("a long half that was never finished")
    files.write_text(path, "whole")
    assert path.read_text() == "whole"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("lock", ["missing", "refused"])
def test_where_files_cannot_be_locked_they_are_written(tmp_path, monkeypatch, lock):
    def refused(*_):
        raise OSError("No locks available")

    if lock == "missing":
        monkeypatch.setattr(locks, "fcntl", None)
    else:
        monkeypatch.setattr(locks.fcntl, "flock", refused)
    files.write_text(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text() == "whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_path_beside_keeps_the_suffix_and_takes_the_place(tmp_path):
    path = tmp_path / "state-0003.weights.h5"
    path.write_text("old")
    with files.beside(path) as partial:
        assert partial.name == "part.weights.h5" and partial.parent == tmp_path
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(OSError, match="No space"), files.beside(path) as partial:
        partial.write_text("half")
        raise OSError("No space left on device")
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_kill_in_the_middle_is_not_swallowed(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.written(tmp_path / "a") as file:
        file.write("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
