"""examples/train.py: presets with a pretraining, and the stage that does it."""

import building
import encoders
import keras
import numpy as np
import pytest
import settings
import train

import keras_mpat as mpat
from keras_mpat.pretraining import running


def test_presets_of_latent_matching_and_of_pretraining_have_the_published_values():
    atld = settings.resolve({"dataset": "cifar10", "preset": "atld"})
    assert (atld.strategy, atld.epochs, atld.batch_size) == ("atld", 400, 50)
    assert (atld.model, atld.depth, atld.widen) == ("wide_resnet", 28, 10)
    assert (atld.drops, atld.learning_rate, atld.head) == ([60, 90], 0.1, "none")
    parent = settings.resolve({"dataset": "cifar10", "preset": "feature-scattering"})
    assert (parent.epochs, parent.batch_size, parent.steps) == (200, 60, 1)
    tuned = settings.resolve({"dataset": "cifar10", "preset": "acl-trades"})
    assert (tuned.pretrain, tuned.pretrain_epochs) == ("acl", 1000)
    assert (tuned.strategy, tuned.beta, tuned.steps) == ("trades", 6.0, 10)
    assert (tuned.epochs, tuned.drops, tuned.batch_size) == (25, [15, 20], 128)
    mpat_ = settings.resolve({"dataset": "cifar10_2", "preset": "rocl-mpat"})
    assert (mpat_.pretrain, mpat_.strategy, mpat_.head) == (
        "rocl",
        "pgd",
        "soft_triple",
    )


def test_what_replaces_a_part_of_a_preset_takes_its_settings_along():
    small = {"dataset": "cifar10", "preset": "atld", "model": "resnet18"}
    chosen = settings.resolve(small | {"schedule": "cyclic", "width": 16})
    assert (chosen.depth, chosen.widen, chosen.drops) == (None, None, None)
    with pytest.raises(ValueError, match="`depth` has no effect with model=resnet18"):
        settings.resolve(small | {"depth": 28})


def test_pretrained_takes_the_place_of_the_pretraining_of_a_preset():
    chosen = settings.resolve({"preset": "acl-mpat", "pretrained": "runs/acl"})
    assert (chosen.pretrain, chosen.pretrain_epochs) == (None, None)
    assert (chosen.pretrained, chosen.strategy) == ("runs/acl", "pgd")
    both = {"pretrain": "acl", "pretrained": "runs/acl"}
    with pytest.raises(ValueError, match="`pretrained` has no.*Remove one of"):
        settings.resolve(both)


@pytest.mark.parametrize("drops", [[9, 3], [3, 3], [0, 3], [3, 10], []])
def test_drops_are_epochs_of_the_run(drops):
    with pytest.raises(ValueError, match="`drops` must be epochs between 0 and"):
        settings.resolve({"drops": drops, "epochs": 10, "schedule": "step"})


def test_the_rate_falls_tenfold_at_each_drop():
    chosen = settings.resolve(
        {"drops": [2, 3], "epochs": 5, "schedule": "step", "learning_rate": 0.5}
    )
    rate = building.build_schedule(chosen, 10, 4)  # as of Free with four replays
    values = [float(rate(40 * epoch + 1)) for epoch in range(5)]
    np.testing.assert_allclose(values, [0.5, 0.5, 0.05, 0.005, 0.005], rtol=1e-6)


PRETRAIN = {"pretrain_epochs": 2, "pretrain_batch_size": 50}


def test_a_run_begins_with_its_pretraining(tiny, tmp_path):
    usual = tiny | {"epochs": 1, "warmup_epochs": 0, "learning_rate": 1e-9}
    train.train(
        settings.resolve(usual | PRETRAIN | {"pretrain": "acl"}), tmp_path / "a"
    )
    folder = tmp_path / "a" / "pretraining"
    encoder = keras.saving.load_model(folder / "model.keras").encoder
    train.train(settings.resolve(usual | {"pretrained": str(folder)}), tmp_path / "b")
    runs = [keras.saving.load_model(tmp_path / name / "model.keras") for name in "ab"]
    for old, new in zip(*(run.classifier.weights for run in runs), strict=True):
        np.testing.assert_array_equal(old, new)
    found = {weight.path: weight for weight in runs[0].classifier.trainable_weights}
    for weight in encoder.trainable_weights:
        np.testing.assert_allclose(found[weight.path], weight, rtol=1e-4, atol=1e-6)


def test_a_run_that_is_killed_while_it_pretrains_goes_on(tiny, tmp_path, monkeypatch):
    chosen = tiny | PRETRAIN | {"pretrain": "rocl", "epochs": 1, "warmup_epochs": 0}
    chosen = settings.resolve(chosen)
    kept = running._Keeper.on_epoch_end

    def killed(self, epoch, logs=None):
        kept(self, epoch)
        raise KeyboardInterrupt

    monkeypatch.setattr(running._Keeper, "on_epoch_end", killed)
    with pytest.raises(KeyboardInterrupt):
        train.train(chosen, tmp_path / "cut")
    monkeypatch.undo()
    assert not (tmp_path / "cut" / "model.keras").exists()
    for name in ("cut", "whole"):
        train.train(chosen, tmp_path / name)
    cut, whole = (
        keras.saving.load_model(tmp_path / name / "classifier.keras").get_weights()
        for name in ("cut", "whole")
    )
    for one, other in zip(cut, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_before_trades_the_last_layer_is_forgotten(tiny, tmp_path):
    given = {k: v for k, v in tiny.items() if k != "warmup_epochs"} | PRETRAIN
    given |= {"pretrain": "rocl", "strategy": "trades"}
    chosen = settings.resolve(given)
    net = building.build_classifier(chosen, mpat.datasets.info("digits_2"))
    encoders.begin(net, chosen, tmp_path)
    *others, last = (w for w in net.trainable_weights if w.name == "kernel")
    assert not np.any(last) and all(np.any(kernel) for kernel in others)


def test_a_pretraining_of_another_net_or_nowhere_is_refused(tiny, tmp_path):
    given = tiny | {"pretrained": str(tmp_path / "nowhere")}
    with pytest.raises(ValueError, match="`from_run` must be a model, a .keras file"):
        train.train(settings.resolve(given), tmp_path / "run")
    other = tiny | PRETRAIN | {"pretrain": "rocl", "filters": [4, 6]}
    encoders.pretrain(settings.resolve(other), tmp_path / "rocl")
    given = tiny | {"pretrained": str(tmp_path / "rocl")}
    with pytest.raises(ValueError, match="of the classifier's architecture"):
        train.train(settings.resolve(given), tmp_path / "run")
    many = tiny | PRETRAIN | {"pretrain": "rocl", "pretrain_batch_size": 500}
    for size in (1, 500):
        many["pretrain_batch_size"] = size
        with pytest.raises(ValueError, match=f"`pretrain_batch_size` .*size={size}, "):
            train.train(settings.resolve(many), tmp_path / "run")
    given = tiny | {"pretrained": str(tmp_path / "acl.npz")}
    with pytest.raises(ValueError, match="`pretrained` must be .* for resnet18 on col"):
        train.train(settings.resolve(given), tmp_path / "run")
    assert not (tmp_path / "run").exists()
