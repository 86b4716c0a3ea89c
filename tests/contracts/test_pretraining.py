"""What every method of pretraining promises, on each backend."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat
from keras_mpat import noise
from keras_mpat.models import array_batches
from keras_mpat.pretraining import initialize
from tests import toy
from tests.contracts.pretraining_table import METHODS, classifier, compiled, images

EACH = pytest.mark.parametrize("make", METHODS.values(), ids=METHODS.keys())


def _numpy(views):
    return {name: ops.convert_to_numpy(view) for name, view in views.items()}


def _fit(model, x, epochs, **kwargs):
    return model.fit(
        x, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **kwargs
    ).history["loss"]


@EACH
def test_attacked_views_stay_in_the_ball_and_raise_the_loss(make):
    model, x = compiled(make), images()
    keys = noise.keys(3, len(x))
    before = toy.values(model.variables)
    views = _numpy(model.perturb(x, keys))
    toy.assert_same(before, toy.values(model.variables))  # averages, too
    first, second = (ops.convert_to_numpy(v) for v in model.two_views(x, keys))
    clean = dict(zip(("first", "second"), (first, second), strict=True))
    of = {"adversarial": "first", "adversarial1": "first", "adversarial2": "second"}
    attacked = [name for name in views if name in of]
    assert attacked
    for name in attacked:
        gap = np.abs(views[name] - clean[of[name]])
        assert 0.01 < gap.max() <= 0.1 + 1e-6
        assert views[name].min() >= 0 and views[name].max() <= 1
    unharmed = views | {name: clean[of[name]] for name in attacked}

    def loss(views):
        return float(model.contrast(model.project(views, training=False)))

    assert loss(views) > loss(unharmed) + 1e-3


@EACH
def test_the_encoder_learns_and_the_last_layer_stays(make):
    model, x = compiled(make), images()
    last = toy.values(model.classifier.get_layer("logits").variables)
    encoder = toy.values(model.encoder.trainable_variables)
    before = model.evaluate(x, batch_size=8, verbose=0)
    _fit(model, x, 3)
    assert model.evaluate(x, batch_size=8, verbose=0) != before
    toy.assert_same(last, toy.values(model.classifier.get_layer("logits").variables))
    for old, new in zip(
        encoder, toy.values(model.encoder.trainable_variables), strict=True
    ):
        # A bias before a BatchNormalization has no gradient, up to rounding.
        assert np.abs(old - new).max() > 1e-9
    embedded = model.predict(x, verbose=0)
    assert embedded.shape == (8, 5)
    expected = model.encoder.predict(x, verbose=0)
    np.testing.assert_allclose(embedded, expected, rtol=1e-5, atol=1e-6)


def test_what_cannot_be_trained_or_compared_is_refused():
    x = images()
    model = compiled(METHODS["acl-ds"])
    for wrong in (255 * x, (255 * x, None), x[:1]):
        with pytest.raises(ValueError, match="`validation_data`: "):
            model.fit(x, validation_data=wrong, verbose=0)
    with pytest.raises(ValueError, match="`batch_size` must not leave a batch of one"):
        model.fit(array_batches.batches(x, batch_size=1)[0], verbose=0)
    model.encoder.trainable = False
    with pytest.raises(ValueError, match="`classifier` must have an encoder that can"):
        model.fit(x, verbose=0)


def test_one_callback_needs_no_list():
    seen = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: epochs.append(1))
    epochs = []
    model = compiled(METHODS["acl-ds"])
    model.fit(images(), batch_size=8, epochs=2, verbose=0, callbacks=seen)
    assert len(epochs) == 2


def test_the_last_layer_can_begin_at_zero():
    net = initialize(classifier(seed=1), compiled(METHODS["acl-ds"]), zero_last=True)
    assert not net.predict(images(), verbose=0).any()


@EACH
def test_labels_are_ignored(make):
    x, y = images(), np.arange(8)
    alone, labeled, streamed = (compiled(make) for _ in range(3))
    expected = _fit(alone, x, 1)
    found = labeled.fit(x, y, batch_size=8, shuffle=False, verbose=0).history["loss"]
    streamed.fit(toy.stream((x, y)), steps_per_epoch=1, verbose=0)
    assert found == expected
    for other in (labeled, streamed):
        toy.assert_same(toy.values(alone.variables), toy.values(other.variables))


@EACH
def test_a_run_goes_on_from_its_file_as_if_nothing_had_happened(make, tmp_path):
    x = images()
    whole, halved = compiled(make, seed=3), compiled(make, seed=3)
    losses = _fit(whole, x, 4)
    first = _fit(halved, x, 2)
    halved.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    second = _fit(again, x, 4, initial_epoch=2)
    assert first + second == losses
    toy.assert_same(toy.values(whole.variables), toy.values(again.variables))
    toy.assert_same(
        toy.values(whole.optimizer.variables), toy.values(again.optimizer.variables)
    )
    for name, value in whole.get_config().items():
        assert name in ("name", "classifier") or again.get_config()[name] == value


@EACH
def test_evaluation_moves_nothing_and_repeats_itself(make):
    model, x = compiled(make), images()
    before = toy.values(model.variables)
    losses = [model.evaluate(x, batch_size=8, verbose=0) for _ in range(2)]
    assert losses[0] == losses[1] > 0
    toy.assert_same(before, toy.values(model.variables))
    history = model.fit(
        x, batch_size=8, validation_data=(x, np.arange(8)), verbose=0
    ).history
    assert np.isfinite(history["val_loss"][0])


def test_a_graph_gives_what_eager_steps_give():
    """In an L2 ball: the sign of a gradient that is all but zero may be either."""
    x, ball = images(), keras_mpat.L2(0.5)
    eager, graph = (
        compiled(METHODS["acl-ds"], eager=eager, ball=ball) for eager in (True, False)
    )
    np.testing.assert_allclose(_fit(eager, x, 2), _fit(graph, x, 2), rtol=1e-4)
    toy.assert_same(
        toy.values(eager.variables), toy.values(graph.variables), rtol=1e-2, atol=1e-4
    )


def test_another_seed_gives_other_views():
    x = images()
    losses = [_fit(compiled(METHODS["rocl"], seed=seed), x, 1) for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
