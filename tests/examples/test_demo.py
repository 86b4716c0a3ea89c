"""examples/demo.py: the comparison, its pictures, and what it is expected to show."""

import demo
import pytest
import train
from matplotlib.image import imread
from run_directory import read


def _figures(table, row):
    """The two percentages of a row of the printed table."""
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {row}")]
    return [float(cell.split()[0]) for cell in line.split("|")[5:7]]


def test_the_demo_in_small(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "_ATTACKS", ("fgsm", "pgd50"))
    monkeypatch.setattr(demo, "_CURVE_EPSILONS", (0.1, 0.2))
    options = {"epochs": 1, "restarts": 1, "limit": 20}
    demo.demo(tmp_path, **options)
    printed = capsys.readouterr().out
    assert "| standard | MPAT-PGD |" in printed
    assert all(0 <= share <= 100 for share in _figures(printed, "PGD-50×1"))
    for name in ("adversarial_examples.png", "robustness_curves.png"):
        assert str(tmp_path / name) in printed
        assert imread(tmp_path / name)[..., :3].std() > 0.02
    assert read(tmp_path / "mpat-pgd")["settings"]["head"] == "soft_triple"
    assert read(tmp_path / "standard")["settings"]["strategy"] == "standard"
    monkeypatch.setattr(train, "build", None)  # a second call trains nothing
    demo.demo(tmp_path, **options)
    again = capsys.readouterr().out
    assert _figures(again, "PGD-50×1") == _figures(printed, "PGD-50×1")


@pytest.mark.slow
def test_the_demo_shows_what_training_against_an_attack_buys(tmp_path, capsys):
    demo.demo(tmp_path, epochs=None, restarts=5, limit=None)
    printed = capsys.readouterr().out
    standard, robust = _figures(printed, "PGD-50×5")
    assert standard < 75
    assert robust > 83
    assert min(_figures(printed, "clean")) > 95
