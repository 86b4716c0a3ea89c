"""A whole run: the published schedule, a kill between epochs, folders of other runs."""

import keras
import numpy as np
import pytest

from keras_mpat import pretraining
from keras_mpat.models import array_batches
from keras_mpat.pretraining import pretrain
from tests import toy
from tests.contracts.pretraining_table import BALL, METHODS, classifier, images

QUIET = {"verbose": 0, "batch_size": 4}


def make(seed=0):
    keras.utils.set_random_seed(7)  # the projector's first weights
    return METHODS["rocl-three-views-only"](classifier(), seed=seed)


class Killed(Exception):
    """What ends a run between two epochs."""


class Kill(keras.callbacks.Callback):
    """Ends a run after the second epoch."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise Killed


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path):
    x = images(9)  # the last image of each order is left out
    whole = pretrain(make(), x, epochs=4, **QUIET)
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        pretrain(make(), x, epochs=4, run_dir=folder, callbacks=[Kill()], **QUIET)
    again = pretrain(make(), x, epochs=4, run_dir=folder, **QUIET)
    toy.assert_same(toy.values(whole.variables), toy.values(again.variables))
    toy.assert_same(
        toy.values(whole.optimizer.variables), toy.values(again.optimizer.variables)
    )
    assert int(again.optimizer.iterations) == 8
    finished = pretrain(make(), x, epochs=4, run_dir=folder, **QUIET)
    toy.assert_same(toy.values(whole.variables), toy.values(finished.variables))
    net = classifier(seed=5)  # what is given is pretrained, not only what is returned
    returned = pretrain(
        METHODS["rocl-three-views-only"](net), x, epochs=4, run_dir=folder, **QUIET
    )
    assert returned.classifier is not net
    toy.assert_same(net.get_weights()[:-2], whole.classifier.get_weights()[:-2])
    assert [path.name for path in folder.iterdir()] == ["model.keras"]


def test_the_rate_warms_up_and_falls_along_a_cosine():
    optimizer = pretraining.running._published(pretraining.RoCL, 1, 20)
    values = [float(optimizer._learning_rate(step)) for step in range(21)]
    assert isinstance(optimizer, pretraining.LARS)
    assert values[0] == 0 and values[2] == max(values) == 1.5
    assert values[11] == pytest.approx(0.75) and values[20] == pytest.approx(
        0, abs=1e-6
    )
    assert pretraining.ACL.learning_rate == 5.0


def test_each_epoch_has_an_order_of_its_own_that_leaves_a_remainder_out(monkeypatch):
    shown, rows = [], array_batches.Order.rows

    def recorded(order):
        shown.append(tuple(rows(order)))
        return np.array(shown[-1])

    monkeypatch.setattr(array_batches.Order, "rows", recorded)
    pretrain(make(), images(14), epochs=3, **QUIET)
    assert len(set(shown)) == 3
    assert {len(set(order)) for order in shown} == {12}
    again, shown = set(shown), []
    pretrain(make(seed=1), images(14), epochs=1, **QUIET)
    assert again.isdisjoint(shown)


def test_folders_of_other_runs_and_wrong_arguments_are_refused(tmp_path):
    x = images(8)
    pretrain(make(), x, epochs=1, run_dir=tmp_path, **QUIET)
    others = {
        "seed": make(seed=1),
        "method.*mode|mode.*method|method": METHODS["acl-a2a"](classifier()),
        "steps": pretraining.RoCL(
            classifier(), BALL, steps=3, projection=(12, 6), one_sided=False
        ),
    }
    for name, other in others.items():
        with pytest.raises(ValueError, match=f"with other .*({name})"):
            pretrain(other, x, epochs=1, run_dir=tmp_path, **QUIET)
    with pytest.raises(ValueError, match="with other optimizer"):
        pretrain(make(), x, epochs=2, run_dir=tmp_path, **QUIET)
    net = classifier()
    net.get_layer("scale").scale = 1.0
    with pytest.raises(ValueError, match="other embeddings for the same weights"):
        other = METHODS["rocl-three-views-only"](net)
        pretrain(other, x, epochs=1, run_dir=tmp_path, **QUIET)
    with pytest.raises(ValueError, match="`batch_size` must be at most"):
        pretrain(make(), x, epochs=1, batch_size=9)
    with pytest.raises(ValueError, match="`model` must be a RoCL or ACL"):
        pretrain(classifier(), x, epochs=1)


def test_all_images_are_looked_at_before_the_first_step(tmp_path):
    """Not the first batch alone, which need not hold the wrong one."""
    last = np.random.default_rng((0, 0)).permutation(40)[-1]
    for value in (np.nan, 255.0):
        x = images(40)
        x[last, 2, 2] = value
        with pytest.raises(ValueError, match="`images`: `x` must"):
            pretrain(make(), x, epochs=1, run_dir=tmp_path / "run", **QUIET)
    for nothing in (None, "images"):
        with pytest.raises(ValueError, match="`images`: `x` must"):
            pretrain(make(), nothing, epochs=1, run_dir=tmp_path / "run", **QUIET)
    assert not (tmp_path / "run").exists()
