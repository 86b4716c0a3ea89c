"""tests/benchmarks/throughput.py: contenders in processes of their own."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.benchmarks import throughput
from tests.benchmarks.contenders import TASKS, WORKLOADS


def flags(**changed):
    """The flags of the command line."""
    given = {"python": sys.executable, "torch_python": sys.executable, "threads": 1}
    return SimpleNamespace(**{**given, "keep_memory": False, **changed})


def test_the_interval_holds_the_median():
    ratios = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    median, low, high = throughput.interval(ratios)
    assert median == 3.0
    assert 1.0 <= low < median < high <= 100.0
    assert throughput.interval(np.full(9, 2.0)) == [2.0, 2.0, 2.0]


def test_a_run_is_whole_batches():
    for work in WORKLOADS.values():
        x, y = work.data()
        pieces = work.pieces(x)
        assert {piece.shape for piece in pieces} == {(work.batch, *work.shape)}
        assert len(pieces) == work.batches and len(x) == len(y)


def test_a_contender_that_is_not_there_has_a_row(monkeypatch):
    """An interpreter without any package, beside none that runs."""
    chosen = {"Foolbox": TASKS["attack"]["Foolbox"]}
    monkeypatch.setitem(TASKS, "attack", chosen)
    given = flags(python="/usr/bin/false", repetitions=1)
    (row,) = throughput.measure("lenet", "attack", given)
    assert row == {"contender": "Foolbox", "failed": "ended without a word"}
    found = vars(given) | {"machine": "m", "tasks": {"attack": [row]}}
    assert "kept" not in throughput.table(found)
    assert "| Foolbox | failed: ended without a word | | | |" in throughput.table(found)


@pytest.mark.slow
def test_ours_runs_and_tells_its_memory(monkeypatch):
    monkeypatch.setitem(TASKS, "train", {"ours": TASKS["train"]["ours"]})
    given = flags(repetitions=2, keep_memory=True)
    (row,) = throughput.measure("lenet", "train", given)
    assert row["ours_is_faster"] == [1.0, 1.0, 1.0]
    assert row["images_per_second"] > 0 and row["peak_mib"] > 0
    assert len(row["seconds"]) == 2 and "keras" in row["versions"]
