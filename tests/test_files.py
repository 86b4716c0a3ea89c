"""files.py: content is there whole, or as it was before."""

import json
import os

import numpy as np
import pytest

from keras_mpat import files


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
