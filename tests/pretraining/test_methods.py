"""RoCL and ACL: their losses from the formulas, their statistics, their defaults."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat
from keras_mpat import models, noise, pretraining
from tests import toy
from tests.contracts.pretraining_table import METHODS, compiled, images
from tests.losses.test_nt_xent import oracle


def rows(*arrays):
    return [ops.convert_to_numpy(array).astype("float64") for array in arrays]


def of(network, *views):
    """Projections of views that pass a network as one batch in training mode."""
    together = network(np.concatenate(views), training=True)
    return np.split(*rows(together), len(views))


def test_the_loss_of_rocl_is_three_views_and_a_256th_of_the_attacked_pair():
    model, x = compiled(METHODS["rocl"]), images()
    views = model.perturb(x, noise.keys(0, len(x)))
    found = float(model.contrast(model.project(views, training=True)))
    first, second, attacked = (
        ops.convert_to_numpy(views[name]) for name in ("first", "second", "adversarial")
    )
    three = oracle(*of(model.network, first, second, attacked)).mean()
    pair = oracle(*of(model.network, attacked, second)).mean()
    assert found == pytest.approx(three + pair / 256, rel=1e-4)
    model.pair_weight = 0.5
    found = float(model.contrast(model.project(views, training=True)))
    assert found == pytest.approx(three + pair / 2, rel=1e-4)


@pytest.mark.parametrize("mode", ["ds", "a2a", "a2s"])
def test_the_loss_of_acl_is_that_of_its_mode(mode):
    model, x = compiled(METHODS[f"acl-{mode}"]), images()
    views = model.perturb(x, noise.keys(0, len(x)))
    found = float(model.contrast(model.project(views, training=True)))
    views = {name: ops.convert_to_numpy(view) for name, view in views.items()}
    if mode == "a2s":
        assert sorted(views) == ["adversarial1", "clean2"]
        pair = [
            *of(model.network, views["adversarial1"]),
            *of(model.clean_network, views["clean2"]),
        ]
        assert found == pytest.approx(oracle(*pair).mean(), rel=1e-4)
        return
    names = ("adversarial1", "adversarial2")
    attacked = oracle(*of(model.network, *(views[n] for n in names))).mean()
    if mode == "a2a":
        assert sorted(views) == list(names) and model.clean_network is None
        assert found == pytest.approx(attacked, rel=1e-4)
        return
    clean = of(model.clean_network, views["clean1"], views["clean2"])
    mean = (attacked + oracle(*clean).mean()) / 2
    assert found == pytest.approx(mean, rel=1e-4)
    assert abs(mean - attacked) > 1e-3


def test_each_stream_moves_its_own_statistics():
    model, x = compiled(METHODS["acl-ds"]), images()
    views = model.perturb(x, noise.keys(0, len(x)))

    def averages():
        return [
            toy.values(network.get_layer("bn").non_trainable_variables)
            for network in (model.network, model.clean_network)
        ]

    before = averages()
    model.project({n: v for n, v in views.items() if n[:3] == "adv"}, training=True)
    adversarial, clean = averages()
    toy.assert_same(clean, before[1])
    assert not np.allclose(adversarial[0], before[0][0])
    model.project({n: v for n, v in views.items() if n[:5] == "clean"}, training=True)
    toy.assert_same(averages()[0], adversarial)
    assert not np.allclose(averages()[1][0], clean[0])


@pytest.mark.parametrize("name", ["rocl", "acl-ds", "acl-a2s"])
def test_short_projections_do_not_break_the_attack_in_float16(name):
    """Their directions have gradients beyond its range."""
    attacked = []
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        try:
            model = compiled(METHODS[name])
        finally:
            keras.config.set_dtype_policy("float32")
        last = model.network.get_layer("projection2_dense").kernel
        last.assign(0.002 * last)
        for norm in model.network.layers:  # of ACL: as short behind it
            if norm.name == "projection2_bn":
                norm.gamma.assign(0.002 * norm.gamma)
        views = model.perturb(images(), noise.keys(3, 8))
        moved = views["adversarial" if name == "rocl" else "adversarial1"]
        attacked.append(ops.convert_to_numpy(moved))
    assert np.all(np.isfinite(attacked[1]))
    assert np.mean(np.abs(attacked[0] - attacked[1]) < 0.01) > 0.8


def test_the_published_settings_are_the_defaults():
    net = models.resnet18(3, width=1, input_shape=(8, 8, 3))
    ball = keras_mpat.Linf("8/255")
    acl = pretraining.ACL(net, ball)
    assert (acl.mode, acl.steps, acl.temperature) == ("ds", 5, 0.5)
    assert acl.attack.step_length == pytest.approx(2 / 255)
    dense = [layer for layer in acl.network.layers if "_dense" in layer.name]
    assert [(d.units, d.use_bias) for d in dense] == [(8, True), (8, False), (8, False)]
    assert acl.network.layers[-1].name == "projection3_bn"
    rocl = pretraining.RoCL(net, keras_mpat.Linf(0.0314))
    assert (rocl.steps, rocl.temperature, rocl.pair_weight) == (7, 0.5, 1 / 256)
    assert rocl.attack.step_length == pytest.approx(0.007)
    dense = [layer for layer in rocl.network.layers if "_dense" in layer.name]
    assert [(d.units, d.use_bias) for d in dense] == [(2048, True), (128, True)]
    assert not [x for x in rocl.network.layers if x.name.startswith("projection1_bn")]
