"""What attacks say about arguments that cannot work."""

import pytest

from keras_mpat import attacks
from keras_mpat.attacks import PGD
from keras_mpat.threat_models import Linf


@pytest.mark.parametrize(
    "kind",
    [attacks.PGD, attacks.BIM, attacks.MIM, attacks.CW],
    ids=lambda k: k.__name__,
)
@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "3"])
def test_steps_that_are_no_count_are_named(kind, steps):
    with pytest.raises(ValueError) as error:
        kind(Linf(0.1), steps=steps)
    assert f"`steps` must be an integer >= 1. Received: steps={steps!r}." in str(
        error.value
    )
    assert f"{kind.__name__}-" in str(error.value)


@pytest.mark.parametrize(
    "kind",
    [attacks.PGD, attacks.CW, attacks.RFGSM, attacks.RandomNoise],
    ids=lambda k: k.__name__,
)
@pytest.mark.parametrize("restarts", [0, 2.0])
def test_restarts_that_are_no_count_are_named(kind, restarts):
    with pytest.raises(
        ValueError,
        match=r"`restarts` must be an integer >= 1\. Received: restarts=.* is",
    ):
        kind(Linf(0.1), restarts=restarts)


@pytest.mark.parametrize("kind", [attacks.PGD, attacks.CW])
def test_restarts_without_a_random_start_are_refused(kind):
    with pytest.raises(ValueError) as error:
        kind(Linf(0.1), restarts=2, random_start=False)
    text = str(error.value)
    assert "`restarts` above 1 need `random_start=True`" in text
    assert "Received: restarts=2, random_start=False." in text
    assert "Pass random_start=True or restarts=1." in text


@pytest.mark.parametrize(
    "kind",
    [attacks.PGD, attacks.BIM, attacks.MIM, attacks.CW, attacks.FGSM, attacks.RFGSM],
    ids=lambda k: k.__name__,
)
@pytest.mark.parametrize("step_size", [0, -2, float("nan"), [0.1, -0.1], [0.0, 0.0]])
def test_step_that_is_not_positive_is_named(kind, step_size):
    with pytest.raises(ValueError) as error:
        kind(Linf(0.1), step_size=step_size)
    text = str(error.value)
    assert text.startswith("`step_size` must be positive (input units")
    assert "Received: step_size=" in text and "'2/255'" in text


def test_step_that_is_no_fraction_is_named():
    with pytest.raises(
        ValueError, match=r"`step_size` must be a number or .*step_size='two'.* Pass"
    ):
        PGD(Linf(0.1), step_size="two")
