"""`evaluate.py --audit`: the flags of an audit, and what it is handed."""

import dataclasses
import json

import auditing
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat.evaluation import Audit, RobustnessResult, robustness_table


def _result():
    flags = np.ones(4, "bool")
    stage = mpat.evaluation.Stage("PGD", "PGD()", flags, 0.0, ())
    return RobustnessResult(flags, flags, (stage,), 0.0, 0)


@pytest.fixture
def handed(monkeypatch, tmp_path):
    """What `audit` is called with; the run is made up."""
    seen = {}
    data = np.zeros((6, 2, 2, 1), "float32"), np.arange(6) % 2, np.arange(6)

    def audit(model, xy, ball, **options):
        seen.update(options, model=model, xy=xy)
        return Audit((), None, 5)

    monkeypatch.setattr(auditing, "audit", audit)
    monkeypatch.setattr(auditing, "finished", lambda _: ({}, tmp_path / "c.keras"))
    monkeypatch.setattr(auditing, "source", lambda _: {"name": "none"})
    monkeypatch.setattr(auditing.datasets, "arrays", lambda split, name: data)
    return seen


def test_modes_limit_and_files_reach_the_audit(handed, tmp_path):
    (tmp_path / "twin.keras").touch()
    _result().save(tmp_path / "seed.json")
    report = auditing.write_audit(
        tmp_path,
        chosen={},
        ball=mpat.Linf(0.1),
        limit=3,
        twins=[f"standard={tmp_path / 'twin.keras'}"],
        runs=[tmp_path / "seed.json"],
    )
    assert handed["model"] == tmp_path / "c.keras" and handed["head_model"] is None
    assert [len(part) for part in handed["xy"]] == [3, 3]
    np.testing.assert_array_equal(handed["modes"], np.arange(3))
    assert list(handed["twins"]) == ["standard"] and handed["runs"] == [_result()]
    assert report.verdict == "passed"
    assert json.loads((tmp_path / "audit.json").read_text())["exit_code"] == 0


def test_the_head_is_attacked_where_model_keras_is(handed, tmp_path):
    (tmp_path / "model.keras").touch()
    auditing.write_audit(tmp_path, chosen={}, ball=mpat.Linf(0.1), limit=None)
    assert handed["model"] == tmp_path / "c.keras" and handed["twins"] is None
    assert handed["head_model"] == tmp_path / "model.keras"


@pytest.mark.parametrize("twin", ["plain.keras", "standard=missing.keras"])
def test_twins_are_named_files(handed, tmp_path, twin):
    with pytest.raises(ValueError, match="`twins` must be name=path"):
        auditing.write_audit(
            tmp_path, chosen={}, ball=mpat.Linf(0.1), limit=None, twins=[twin]
        )


def test_flags_stand_below_the_table():
    attacks = {"PGD": mpat.attacks.PGD(mpat.Linf(0.1))}
    plain = robustness_table({"net": _result()}, attacks)
    assert "not audited" in plain
    report = dataclasses.replace(Audit((), None, 5))
    text = robustness_table({"net": _result()}, attacks, audits={"net": report})
    assert text.endswith("net: audit passed: 0 passed, 0 not run, flags: none.")
