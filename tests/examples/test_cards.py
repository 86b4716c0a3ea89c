"""cards.py: which verification of a run stands on its card."""

import dataclasses
import json

import cards
import pytest

import keras_mpat as mpat
from keras_mpat import evaluation
from tests import toy


@pytest.mark.parametrize("best", [1, 2])
def test_the_largest_verification_of_these_weights_in_this_ball(tmp_path, best):
    ball, data = mpat.Linf(0.1), toy.data(8)
    result = evaluation.evaluate_robustness(
        toy.net(), data, mpat.attacks.FGSM(ball), batch_size=8, verbose=False
    )
    own, other = result.evidence.sha256, {"weights": "0" * 64}
    here = {"norm": "Linf", "radius": 0.1}
    rows = [(99, other, here), (5, own, here), (5, own, here), (98, own, {})]
    rows[best] = (7, own, here)
    for number, (n, sha256, threat_model) in enumerate(rows):
        values = {"n": n, "sha256": sha256, "threat_model": threat_model}
        path = tmp_path / f"verification-{number}.json"
        path.write_text(json.dumps(values))
    found = cards._verification(tmp_path, result, ball)
    assert found == {"n": 7, "sha256": own, "threat_model": here}
    assert cards._verification(tmp_path, result, mpat.L2(0.1)) is None
    bare = dataclasses.replace(result, evidence=None)
    assert cards._verification(tmp_path, bare, ball) is None
