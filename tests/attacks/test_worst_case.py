"""Several attacks as one, and noise with restarts: the worst case per example."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from keras import ops

from keras_mpat import attacks, noise
from keras_mpat.objectives import CrossEntropy
from keras_mpat.threat_models import L2, Linf

Y = np.zeros(5, "int32")
X = np.zeros((5, 3), "float32")
# Label 0, inputs are logits. FOOLED has a lower cross-entropy than UNSURE.
FOOLED, UNSURE = [1.0, 1.1, -3.0], [0.01, 0.0, 0.0]
WORSE, BETTER, SAFE = [0.0, 5.0, 0.0], [0.0, 2.0, 0.0], [5.0, 0.0, 0.0]


@dataclass(frozen=True, eq=False)
class Fixed(attacks.Attack):
    """Answers with given points."""

    threat_model: Any
    points: Any

    def search(self, logits_fn, x, targets, keys):
        return ops.convert_to_tensor(np.array(self.points, "float32"))


@pytest.mark.parametrize("swapped", [False, True])
def test_keeps_the_worst_of_all_for_each_example(swapped):
    ball = Linf(9, bounds=(-10, 10))
    parts = [
        Fixed(ball, [FOOLED, UNSURE, BETTER, UNSURE, SAFE]),
        Fixed(ball, [UNSURE, FOOLED, WORSE, SAFE, SAFE]),
        Fixed(ball, [SAFE, SAFE, SAFE, SAFE, WORSE]),
    ]
    attack = attacks.WorstCase(parts[::-1] if swapped else parts)
    result = ops.convert_to_numpy(attack(lambda x: x, X, Y))
    expected = np.array([FOOLED, FOOLED, WORSE, UNSURE, WORSE], "float32")
    np.testing.assert_array_equal(result, expected)


def test_every_part_draws_its_own_noise():
    ball = Linf(0.1)

    @dataclass(frozen=True, eq=False)
    class Recorder(attacks.Attack):
        threat_model: Any

        def search(self, logits_fn, x, targets, keys):
            seen.append(ops.convert_to_numpy(keys))
            return x

    seen = []
    attacks.WorstCase([Recorder(ball), Recorder(ball)])(lambda x: x, X, Y, 3)
    assert len(seen) == 2 and not np.any(seen[0] == seen[1])


def test_threat_model_and_scaling():
    attack = attacks.WorstCase([attacks.FGSM(Linf(0.1)), attacks.FGSM(L2(0.4))])
    assert attack.threat_model == Linf(0.1)
    half = attack.scaled(0.5)
    assert [part.threat_model.radius for part in half.attacks] == [0.05, 0.2]
    assert [type(part.threat_model) for part in half.attacks] == [Linf, L2]


@pytest.mark.parametrize("parts", [[], ()])
def test_no_attack_is_refused(parts):
    with pytest.raises(
        ValueError,
        match=r"`attacks` must be a list .*Received: attacks=.*Pass",
    ):
        attacks.WorstCase(parts)


def test_noise_with_restarts_is_the_worst_of_its_samples():
    ball, keys = Linf(0.5), noise.keys(0, 40)
    x = np.full((40, 3), 0.5, "float32")
    y = np.arange(40) % 3
    samples = np.stack(
        [ops.convert_to_numpy(ball.sample(x, noise.fold(keys, r))) for r in range(4)]
    )

    def logits_fn(x):
        return 4.0 * x

    flat = logits_fn(samples.reshape(-1, 3))
    labels = np.tile(y, 4)
    values = ops.convert_to_numpy(CrossEntropy()(labels, ops.convert_to_tensor(flat)))
    rank = values + 100.0 * (flat.argmax(-1) != labels)
    chosen = rank.reshape(4, 40).argmax(0)
    assert len(set(chosen.tolist())) == 4
    attack = attacks.RandomNoise(ball, restarts=4)
    result = ops.convert_to_numpy(attack(logits_fn, x, y, keys))
    np.testing.assert_array_equal(result, samples[chosen, np.arange(40)])
