"""Points of the space become strategies, with the defaults of each."""

import pytest

import keras_mpat as mpat
from keras_mpat import training
from tests.tuning.planted import Planted

BALL = mpat.Linf(0.05)


@pytest.mark.parametrize(
    ("values", "strategy"),
    [
        ({"strategy": "pgd"}, training.PGDTraining(BALL, steps=7)),
        ({"strategy": "pgd", "beta": 2.0}, training.PGDTraining(BALL, steps=7)),
        ({"strategy": "logit_pairing"}, training.LogitPairingTraining(BALL, steps=7)),
        ({"strategy": "trades"}, training.TRADESTraining(BALL)),
        (
            {"strategy": "trades", "beta": 2.0, "steps": 3, "warmup_epochs": 1},
            training.TRADESTraining(BALL, beta=2, steps=3, warmup_epochs=1),
        ),
        (
            {"strategy": "feature_scattering"},
            training.FeatureScatteringTraining(BALL, steps=1),
        ),
        (
            {"strategy": "feature_scattering", "steps": 2, "step_size": 0.02},
            training.FeatureScatteringTraining(BALL, steps=2, step_size=0.02),
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else type(value).__name__,
)
def test_the_strategy_of_a_point(values, strategy, tmp_path):
    model = Planted(tmp_path).model({"head": "none", **values}, seed=0)
    assert model.strategy == strategy


@pytest.mark.skipif(
    mpat.backend.NAME != "tensorflow", reason="a second optimizer needs TensorFlow"
)
def test_a_point_of_atld(tmp_path):
    values = {"head": "none", "strategy": "atld", "warmup_epochs": 2, "steps": 3}
    model = Planted(tmp_path).model(values, seed=0)
    assert model.strategy == training.ATLDTraining(BALL, warmup_epochs=2)
    space = mpat.tuning.SearchSpace(strategy=["pgd", "atld"], steps=[2, 3])
    points = [space.values(point) for point in space.points()]
    assert {"strategy": "atld"} in [
        {k: v for k, v in p.items() if k in ("strategy", "steps")} for p in points
    ]
