"""examples/compare_heads.py: its cells, its table, and that it resumes."""

import json
from types import SimpleNamespace

import compare_heads
import pytest


def flags(tmp_path, **changed):
    given = {
        "run_dir": tmp_path / "runs",
        "results": tmp_path / "results",
        "data_dir": None,
        "dataset": "digits_2",
        "epochs": 2,
        "warmups": ["1", "0"],
        "seeds": ["0", "1"],
        "train_examples": None,
        "limit": 20,
        "restarted": 10,
        "minutes": 1e9,
        "parts": 1,
        "part": 0,
    }
    return SimpleNamespace(**given | changed)


def outcome(settings, run_dir, *, limit, restarted, **_):
    """What `measure` gives, made up: the seed decides."""
    accuracy = (0.9, 0.5)[settings.seed]
    names = ("clean", *compare_heads.ON_ALL, compare_heads.RESTARTED)
    merges = settings.merge_threshold is not None
    return {
        **dict.fromkeys(names, accuracy),
        "seconds_per_epoch": 3.0,
        "prototypes_left": [3, 4] if merges else None,
    }


def test_cells_are_all_methods_alike_but_for_the_method():
    cells = list(compare_heads.cells("mnist_2", 10, [2, 0], [0, 1, 2], None))
    assert len(cells) == 66 == len({cell[0] for cell in cells})
    by_name = {cell[1]: cell[-1] for cell in cells[:11]}
    for settings in by_name.values():
        assert (settings.model, settings.steps, settings.step_size) == (
            "lenet",
            7,
            None,
        )
        assert (settings.epochs, settings.warmup_epochs, settings.seed) == (10, 2, 0)
        assert settings.regularizer == "none"
    assert by_name["logit pairing (ALP)"].strategy == "logit_pairing"
    assert by_name["logit pairing (ALP)"].head == by_name["no head"].head == "none"
    assert by_name["SoftTriple, K = 1"].prototypes_per_class == 1
    assert by_name["SoftTriple, K = 10, merged"].merge_threshold == 0.2


def test_table_has_mean_worst_and_collapsed(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_heads, "measure", outcome)
    text = compare_heads.compare(flags(tmp_path))
    rows = [
        line for line in text.splitlines() if line.startswith("| SoftTriple, K = 10")
    ]
    assert len(rows) == 2
    assert "| 2 | 70.0 (50.0) | 70.0 (50.0) |" in rows[0]
    assert rows[0].endswith("| 3 | 1 | 3/4, 3/4 |")
    assert (tmp_path / "results" / "table.md").read_text() == text


def test_an_interrupted_comparison_continues(tmp_path, monkeypatch):
    begun = []

    def dies_at_the_fifth(settings, run_dir, **arguments):
        begun.append(run_dir.name)
        if len(begun) == 5:
            raise KeyboardInterrupt
        return outcome(settings, run_dir, **arguments)

    monkeypatch.setattr(compare_heads, "measure", dies_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        compare_heads.compare(flags(tmp_path))
    whole = compare_heads.compare(flags(tmp_path))
    assert len(begun) == 45 and begun[4] == begun[5]  # 44 cells, one of them twice
    done = {path.stem for path in (tmp_path / "results" / "cells").glob("*.json")}
    assert done == set(begun)
    compare_heads.compare(flags(tmp_path))
    assert len(begun) == 45
    assert json.loads((tmp_path / "results/cells/00-w1-s0.json").read_text())["clean"]
    assert whole.count("\n") == 2 + 22


def test_parts_share_the_cells(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        compare_heads,
        "measure",
        lambda settings, run_dir, **given: (
            seen.append(run_dir.name) or outcome(settings, run_dir, **given)
        ),
    )
    compare_heads.compare(flags(tmp_path, parts=2, part=1))
    assert len(seen) == 22
    compare_heads.compare(flags(tmp_path, parts=2, part=0))
    assert len(set(seen)) == len(seen) == 44


def test_no_time_begins_no_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_heads, "measure", outcome)
    text = compare_heads.compare(flags(tmp_path, minutes=-1.0))
    assert text == "No cell is finished.\n"


def test_cells_of_other_settings_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_heads, "measure", outcome)
    compare_heads.compare(flags(tmp_path, seeds=["0"]))
    for other in ({"epochs": 3}, {"limit": None}, {"restarted": 11}):
        with pytest.raises(ValueError, match="same settings.*Pass another folder"):
            compare_heads.compare(flags(tmp_path, **other))


def test_wrong_flags_are_named(tmp_path):
    with pytest.raises(ValueError, match="`part` must be below"):
        compare_heads.compare(flags(tmp_path, parts=2, part=2))
    with pytest.raises(ValueError, match="`seeds` must be integers.*seeds=0,a"):
        compare_heads.compare(flags(tmp_path, seeds=["0", "a"]))
