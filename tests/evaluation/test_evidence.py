"""Evidence: digests, who was fooled by what, and the examples that prove it."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import attacks, evaluation
from tests import toy

SMALL, LARGE = attacks.FGSM(mpat.Linf(0.03)), attacks.PGD(mpat.Linf(0.3), steps=5)


def evaluate(net, data, **options):
    """FGSM in a small ball, then a sequence of noise and PGD in a large one."""
    noise = attacks.RandomNoise(mpat.Linf(0.3))
    chain = {"small": SMALL, "chain": attacks.WorstCase([noise, LARGE])}
    options = {"batch_size": 8, "verbose": False, **options}
    return evaluation.evaluate_robustness(net, data, chain, **options)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """(net, x, y, result, folder) of an evaluation with a folder."""
    net, (x, y) = toy.net(), toy.data(60)
    folder = tmp_path_factory.mktemp("state")
    return net, x, y, evaluate(net, (x, y), state_dir=folder), folder


def test_who_was_fooled_by_what_and_what_is_predicted_there(found):
    net, x, y, result, _ = found
    proof = result.evidence
    assert proof.parts == ("small", "chain: RandomNoise", "chain: PGD")
    small = result.clean & ~result.stages[0].correct
    np.testing.assert_array_equal(proof.broken_by == 0, small)
    np.testing.assert_array_equal(proof.broken_by >= 0, result.clean & ~result.robust)
    assert {-1, 0, 2} <= set(proof.broken_by.tolist())
    kept = x.copy()
    kept[proof.index] = proof.adversarial
    logits = net.predict(kept, verbose=0)
    np.testing.assert_array_equal(proof.predicted, logits.argmax(axis=-1))
    rows = np.arange(len(y))
    lead = logits[rows, 1 - y] - logits[rows, y]  # there are two classes
    np.testing.assert_allclose(proof.margins, lead, atol=1e-5)
    np.testing.assert_array_equal(proof.margins > 0, ~result.robust)
    assert np.all(np.abs(kept - x)[proof.broken_by == 0] <= 0.03 + 1e-6)


def test_digests_are_of_the_bytes_and_not_of_the_batches(found):
    net, x, y, result, _ = found
    assert x.dtype == "float32"
    expected = {
        "inputs": hashlib.sha256(x.tobytes()).hexdigest(),
        "labels": hashlib.sha256(y.astype("int32").tobytes()).hexdigest(),
    }
    assert evaluation.evidence.digests(x.astype("float64"), y) == expected
    sha256 = result.evidence.sha256
    assert {name: sha256[name] for name in expected} == expected
    few = evaluate(net, (x, y), batch_size=3, limit=50).evidence
    other = few.sha256["inputs"]
    assert other == hashlib.sha256(x[:50].tobytes()).hexdigest() != expected["inputs"]
    assert few.sha256["weights"] == sha256["weights"]
    twin = toy.net()
    twin.set_weights([2 * w for w in net.get_weights()])
    assert evaluate(twin, (x, y)).evidence.sha256["weights"] != sha256["weights"]
    assert result.evidence.versions["keras_mpat"] == mpat.__version__


def test_examples_are_kept_in_a_folder_only_and_load_without_pickle(found, tmp_path):
    net, x, y, result, _ = found
    bare = evaluate(net, (x, y))
    assert bare.evidence.adversarial is None and bare == result
    np.testing.assert_array_equal(bare.evidence.margins, result.evidence.margins)
    with pytest.raises(ValueError, match="`adversarial` must hold.*state_dir="):
        bare.evidence.save_examples(tmp_path / "none.npz")
    result.evidence.save_examples(tmp_path / "a.npz")
    result.save(tmp_path / "a.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.npz"]
    loaded = evaluation.RobustnessResult.load(tmp_path / "a.json").evidence
    assert loaded.adversarial is None
    proof = loaded.with_examples(tmp_path / "a.npz")
    for field in dataclasses.fields(proof):
        left, right = (getattr(p, field.name) for p in (proof, result.evidence))
        np.testing.assert_array_equal(left, right)
    other = evaluate(net, (x, y), limit=50, state_dir=tmp_path / "other").evidence
    with pytest.raises(ValueError, match="`path` must hold .* with examples of .* ima"):
        other.with_examples(tmp_path / "a.npz")


def test_examples_of_another_evaluation_of_the_same_images_are_refused(found, tmp_path):
    result = found[3]
    result.evidence.save_examples(tmp_path / "a.npz")
    proof = evaluation.evidence.Evidence.from_dict(result.evidence.to_dict())
    sha256 = proof.sha256 | {"weights": "0" * 64}
    for change in ({"sha256": sha256}, {"margins": proof.margins * 1.001}):
        other = dataclasses.replace(proof, **change)
        np.testing.assert_array_equal(other.index, proof.index)
        with pytest.raises(ValueError, match="`path` must .* of another evaluation"):
            other.with_examples(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as stored:
        kept = {name: stored[name] for name in ("index", "adversarial")}
    np.savez(tmp_path / "old.npz", **kept)  # as earlier versions wrote it
    old = proof.with_examples(tmp_path / "old.npz")
    np.testing.assert_array_equal(old.adversarial, result.evidence.adversarial)


def test_an_evaluation_that_goes_on_has_the_same_evidence(found):
    net, x, y, result, folder = found
    again = evaluate(net, (x, y), state_dir=folder).evidence
    assert again.to_dict() == result.evidence.to_dict()
    np.testing.assert_array_equal(again.adversarial, result.evidence.adversarial)


def test_a_file_of_an_earlier_state_loads(found, tmp_path):
    result = found[3]
    values = result.to_dict()
    del values["evidence"]
    (tmp_path / "old.json").write_text(json.dumps(values))
    loaded = evaluation.RobustnessResult.load(tmp_path / "old.json")
    assert loaded.evidence is None and loaded == result
    loaded.save(tmp_path / "new.json")
    assert evaluation.RobustnessResult.load(tmp_path / "new.json").evidence is None


def test_undefined_logits_lead_by_infinity(tmp_path):
    from keras_mpat.evaluation.verdicts import answer

    logits = np.array([[1.0, 3.0], [np.nan, 0.0]], "float32")
    said = answer(*map(ops.convert_to_tensor, (np.array([0, 1]), logits)))
    predicted, lead = map(ops.convert_to_numpy, said)
    assert predicted[0] == 1
    np.testing.assert_array_equal(lead, [2.0, np.inf])
