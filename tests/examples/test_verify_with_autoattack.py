"""verify_with_autoattack.py: what it reads, whom it trusts, what it says without torch.

The attack itself needs torch and an implementation of AutoAttack for it.
"""

import importlib.util
import json

import keras
import numpy as np
import our_verdicts
import pytest
import upstream
from keras import layers

import keras_mpat as mpat
from keras_mpat import attacks, evaluation

BALL = mpat.Linf("64/255")
SCRIPT = "examples/verify_with_autoattack.py"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder with images, a classifier of four classes, and our verdicts."""
    folder, rng = tmp_path_factory.mktemp("verdicts"), np.random.default_rng(0)
    x = rng.integers(0, 256, (12, 4, 4), "uint8")
    net = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(4)])
    net.set_weights([rng.normal(size=(16, 4)), np.zeros(4)])
    unit = x[..., None].astype("float32") / 255
    y = net.predict(unit, verbose=0).argmax(axis=-1)
    result = evaluation.evaluate_robustness(
        net,
        (unit, y),
        [attacks.FGSM(BALL), attacks.AutoAttack(BALL)],
        batch_size=12,
        state_dir=folder / "state",
        verbose=False,
    )
    net.save(folder / "net.keras")
    np.savez(folder / "images.npz", x=x, y=y)
    result.save(folder / "evaluation-1.json")
    result.evidence.save_examples(folder / "evaluation-1.npz")
    return folder, net, unit, y, result


def test_our_verdicts_their_ball_and_their_examples(stored):
    folder, net, x, y, result = stored
    ours = our_verdicts.read_verdicts(folder / "evaluation-1.json")
    assert (ours.norm, ours.radius) == ("Linf", pytest.approx(64 / 255))
    np.testing.assert_array_equal(ours.robust, result.stages[1].correct)
    assert 0 < len(ours.index) == len(ours.adversarial)
    lead = evaluation.verification.leads(
        net.predict(ours.adversarial, verbose=0), y[ours.index]
    )
    assert np.all(lead > 0)
    assert ours.framework == keras.backend.backend()
    ours.check_weights(keras.saving.load_model(folder / "net.keras"))
    found, labels = our_verdicts.load_images({"name": str(folder / "images.npz")}, ours)
    np.testing.assert_array_equal(found, x)
    np.testing.assert_array_equal(labels, y)


def test_other_images_other_weights_and_other_attacks_are_refused(stored, tmp_path):
    folder, net, x, y, result = stored
    ours = our_verdicts.read_verdicts(folder / "evaluation-1.json")
    np.savez(tmp_path / "other.npz", x=x[::-1], y=y)
    with pytest.raises(ValueError, match="`--data` must be the images of the verdicts"):
        our_verdicts.load_images({"name": str(tmp_path / "other.npz")}, ours)
    np.savez(tmp_path / "strange.npz", images=x)
    with pytest.raises(ValueError, match=r"images x and labels y.*\['images'\]"):
        our_verdicts.load_images({"name": str(tmp_path / "strange.npz")}, ours)
    for text in ("{}", "not JSON"):
        (tmp_path / "strange.json").write_text(text)
        with pytest.raises(ValueError, match="`--verdicts` must be what evaluate.py"):
            our_verdicts.read_verdicts(tmp_path / "strange.json")
    twin = keras.models.clone_model(net)
    with pytest.raises(ValueError, match="`--classifier` must be the one"):
        ours.check_weights(twin)
    for attack in (attacks.FGSM(BALL), attacks.AutoAttack(BALL, version="rand")):
        other = evaluation.evaluate_robustness(
            net, (x[:2], y[:2]), attack, batch_size=2, verbose=False
        )
        other.save(tmp_path / "evaluation-2.json")
        with pytest.raises(ValueError, match="`--verdicts` must hold.*that attack"):
            our_verdicts.read_verdicts(tmp_path / "evaluation-2.json")
        with pytest.raises(ValueError, match="`--run_dir` must hold verdicts of Auto"):
            our_verdicts.newest(tmp_path)
    values = result.to_dict() | {"evidence": None}
    (tmp_path / "evaluation-1.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match="without evidence"):
        our_verdicts.read_verdicts(tmp_path / "evaluation-1.json")
    assert our_verdicts.newest(tmp_path).name == "evaluation-1.json"


class _Package(dict):
    """Metadata of a package."""

    def get_all(self, name):
        return self.get(name)


def test_a_package_of_that_name_must_be_the_authors(monkeypatch):
    def installed(said, *names):
        def metadata(name):
            if said is None:
                raise upstream.importlib.metadata.PackageNotFoundError
            return said

        fake = upstream.importlib.metadata
        monkeypatch.setattr(fake, "metadata", metadata)
        monkeypatch.setattr(fake, "version", lambda name: "9.9")
        find = lambda name: object() if name in names else None  # noqa: E731
        monkeypatch.setattr(upstream.importlib.util, "find_spec", find)

    home = _Package({"Home-page": "https://github.com/fra31/auto-attack"})
    installed(home)
    assert upstream.find().name == "autoattack 9.9 (fra31/auto-attack)"
    for other in (_Package({"Home-page": "https://example.org"}), _Package(), None):
        installed(other, "torchattacks")
        assert "torchattacks 9.9, its parts with the pub" in upstream.find().name
        installed(other)
        with pytest.raises(ImportError, match="pip install git.*fra31/auto-attack"):
            upstream.find()


def test_without_torch_it_says_how_to_get_it(stored, run_script):
    if importlib.util.find_spec("torch") is not None:
        pytest.skip("torch is installed")
    done = run_script(SCRIPT, "--classifier", stored[0] / "net.keras")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("pip install torch, and see upstream.py.")
    assert "Traceback" not in done.stderr


def test_with_torch_both_sides_agree_on_a_linear_net(stored, run_script, tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed; pip install torch")
    try:
        upstream.find()
    except ImportError as error:
        pytest.skip(str(error))
    folder = stored[0]
    done = run_script(
        *(SCRIPT, "--classifier", folder / "net.keras"),
        *("--data", folder / "images.npz", "--verdicts", folder / "evaluation-1.json"),
        *("--output", tmp_path / "verification.json"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "verification.json").read_text())
    assert found["disagreements"] == []  # APGD is exact on linear nets
    assert found["n"] == 12 and found["contingency"]["broken by both"] > 0
    for side in ("ours_on_their_framework", "theirs_on_our_framework"):
        assert found[side]["fooled"] == found[side]["n"] > 0
