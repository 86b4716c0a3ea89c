"""examples/compare_systems.py: a cell of each kind at small scale, and the table."""

from types import SimpleNamespace

import compare_systems
import pytest
import settings

SIZES = {"data_dir": None, "limit": 30, "hard": 10, "batch_size": 16}


def flags(tmp_path, **changed):
    """The flags of the command line."""
    given = {
        "run_dir": str(tmp_path / "runs"),
        "results": str(tmp_path / "results"),
        "data_dir": None,
        "dataset": "mnist",
        "epsilon": None,
        "width": None,
        "batch_size": None,
        "epochs": 10,
        "pretrain_epochs": 10,
        "pretrain_batch_size": 512,
        "seeds": ["0", "1"],
        "train_examples": 10_000,
        "limit": 2000,
        "hard": 500,
        "attack_batch_size": 128,
        "only_train": False,
        "minutes": 1e9,
        "parts": 1,
        "part": 0,
    }
    return SimpleNamespace(**given | changed)


def outcome(system, settings, run_dir, **_):
    """What `measure` gives, made up."""
    names = ("clean", "PGD-20", "CW-20", "APGD-CE", "APGD-margin", "worst")
    first = {"n": 2000, **dict.fromkeys(names, 0.75)}
    hard = {"n": 500, "worst": 0.5}
    attacked = {system: {"first look": first, "AutoAttack": hard}}
    if system == "ATLD":
        attacked["ATLD+"] = {"first look": first}
    cell = {"attacked": attacked, "seconds_per_epoch": 3.0}
    if settings.pretrain:
        cell["probe"] = {"before": 0.5, "after": 0.625, "labels": 10}
    return cell


def test_cells_share_all_but_the_system(tmp_path):
    cells = compare_systems.cells(flags(tmp_path), [0, 1, 2])
    assert len(cells) == 6 + 2 * 4
    first = {system: chosen for system, seed, chosen in cells.values() if seed == 0}
    for chosen in first.values():
        assert (chosen.epochs, chosen.train_examples, chosen.epsilon) == (
            10,
            10_000,
            0.3,
        )
        assert (chosen.regularizer, chosen.learning_rate) == ("none", 0.1)
    assert first["PGD"].head == first["ATLD"].head == "none"
    assert first["ACL, then MPAT"].pretrain_epochs == 10
    assert {seed for system, seed, _ in cells.values() if system == "PGD"} == {0}


def test_the_table_has_a_row_per_inference_and_the_probes(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_systems, "measure", outcome)
    text = compare_systems.compare(flags(tmp_path))
    above, below, gains = text.split("\n\n")
    rows = above.splitlines()
    assert len(rows) == 2 + 10 + 2 and len(below.splitlines()) == 2 + 4
    assert "| 50.0 (n = 500) | 45.6 to 54.4 | 3 |" in rows[2]
    assert any(
        row.startswith("| ATLD+ | 1 |") and " |  |  | 3 |" in row for row in rows
    )
    assert below.splitlines()[2] == "| RoCL, then MPAT | 0 | 50.0 | 62.5 |"
    assert (tmp_path / "results" / "table.md").read_text() == text
    assert gains.splitlines()[2:] == [
        f"| {system}, then MPAT | {plan} | 2 | +0.0 | +0.0 to +0.0 |"
        for system in ("RoCL", "ACL")
        for plan in ("first look", "AutoAttack")
    ]


def test_only_train_trains_what_its_part_has_not_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_systems, "measure", outcome)
    compare_systems.compare(flags(tmp_path, parts=10))  # the first cell
    trained = []
    monkeypatch.setattr(
        compare_systems.training_script,
        "train",
        lambda settings, run_dir, **_: trained.append(run_dir.name),
    )
    monkeypatch.setattr(compare_systems, "measure", None)
    given = flags(tmp_path, only_train=True, parts=3)
    text = compare_systems.compare(given)
    assert trained == list(compare_systems.cells(given, [0, 1]))[3::3]
    assert "--only_train" in text
    assert len(list((tmp_path / "results" / "cells").iterdir())) == 1


def test_gains_are_those_of_the_same_seed():
    def cell(system, share):
        return {"attacked": {system: {"AutoAttack": {"worst": share}}}}

    after, alone = "ACL, then MPAT", "MPAT"
    results = {(alone, 0): cell(alone, 0.5), (alone, 1): cell(alone, 0.25)}
    results |= {(after, 0): cell(after, 0.5), (after, 1): cell(after, 0.375)}
    results[after, 2] = cell(after, 0.1)  # there is no MPAT with that seed
    head, *rows = compare_systems._gains(results)
    # differences 0 and 12.5: mean 6.25, half of 12.5 times tan(0.475 pi)
    assert rows == [[after, "AutoAttack", "2", "+6.2", "-73.2 to +85.7"]]


@pytest.mark.slow
def test_a_cell_of_atld_attacks_through_its_inference_and_inside(tiny, tmp_path):
    given = {k: v for k, v in tiny.items() if k != "steps"} | {"strategy": "atld"}
    chosen = settings.resolve(given | {"epochs": 1, "warmup_epochs": 0})
    cell = compare_systems.measure("ATLD", chosen, tmp_path / "run", **SIZES)
    assert list(cell["attacked"]) == ["ATLD−", "ATLD", "ATLD+"]
    plain, dynamic, plus = (found["first look"] for found in cell["attacked"].values())
    assert plain["n"] == 30 and "APGD-margin, transferred" not in plain
    for found in (dynamic, plus):
        several = [found[name] for name in found if "-" in name]
        assert "APGD-margin, transferred" in found and min(several) >= found["worst"]
    assert "AutoAttack" in cell["attacked"]["ATLD"]
    assert "AutoAttack" not in cell["attacked"]["ATLD+"]


@pytest.mark.slow
def test_a_cell_of_a_pretraining_has_its_probe(tiny, tmp_path):
    pretrain = {"pretrain": "rocl", "pretrain_epochs": 2, "pretrain_batch_size": 50}
    chosen = settings.resolve(tiny | pretrain | {"epochs": 1, "warmup_epochs": 0})
    run_dir = tmp_path / "run"
    cell = compare_systems.measure("RoCL, then MPAT", chosen, run_dir, **SIZES)
    assert cell["probe"]["labels"] == 200
    assert 0.5 < cell["probe"]["before"] <= 1 and 0.5 < cell["probe"]["after"] <= 1
    assert list(cell["attacked"]) == ["RoCL, then MPAT"]
