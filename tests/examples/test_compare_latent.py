"""examples/compare_latent.py: a cell at small scale, and the tables."""

import compare_latent
import numpy as np
import pytest
import settings


@pytest.fixture(scope="module")
def cell(tiny, tmp_path_factory):
    """What one cell measures, on digits."""
    chosen = settings.resolve(tiny | {"head": "triplet", "epochs": 2})
    folder = tmp_path_factory.mktemp("cell") / "run"
    return compare_latent.measure(chosen, folder, data_dir=None, limit=60, known=20)


def test_a_cell_holds_both_radii_and_three_detections(cell):
    assert cell["n"] == 60
    small, large = cell["at 0.03"], cell["at 0.3"]
    assert small["clean_accuracy"] == large["clean_accuracy"]
    assert small["robust_accuracy"] > large["robust_accuracy"]
    assert large["knn"]["clean"] == small["knn"]["clean"]
    assert cell["detection"]["n"] == 120
    first, aware = (cell[f"detection, {n}, first"] for n in ("unaware", "adaptive"))
    assert first["n"] == aware["n"] == 40 and aware["escaped"] >= first["escaped"]


def test_tables_have_a_row_per_cell_and_the_published_figures(cell):
    text = compare_latent.table({("TLA", 0.3): cell, ("TLA", 0.03): cell})
    above, below = text.split("\n\n")
    assert len(above.splitlines()) == len(below.splitlines()) == 3
    assert "(1.847)" in above and "(96.98)" in above
    assert f"{cell['detection']['auc']:.3f}" in below


def test_every_method_is_trained_at_both_radii():
    every = compare_latent.cells()
    assert len(every) == 10
    assert {e for _, e in every} == {0.3, 0.03}
    heads = {m: s.head for (m, e), s in every.items() if e == 0.3}
    assert heads["TLA"] == "triplet" and heads["MPAT, K = 5"] == "soft_triple"
    assert np.all([s.steps == 7 for (m, _), s in every.items() if m != "standard"])
