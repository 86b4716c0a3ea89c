"""The hyper-model of the user: what it trains, and what it refuses beforehand."""

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat.tuning import RobustHyperModel, SearchSpace
from tests import toy


def one_logit():
    """A classifier with too few logits."""
    return keras.Sequential([keras.Input((toy.FEATURES,)), keras.layers.Dense(1)])


def _made(train=None, validation=None, builder=toy.named, bounds=(0.0, 1.0), **options):
    usual = {"epochs": 2, "batch_size": 16, "validation_steps": 1}
    return RobustHyperModel(
        builder,
        train or toy.data(64),
        validation or toy.data(32, seed=1),
        mpat.Linf(0.05 * (bounds[1] - bounds[0]), bounds=bounds),
        **usual | options,
    )


@pytest.mark.parametrize(
    ("values", "regularizer", "weight"),
    [
        ({"regularizer_weight": 0.1}, "weights", 0.1),
        ({"regularizer": "features"}, "features", 0.001),
        ({"regularizer": "features", "regularizer_weight": 0.2}, "features", 0.2),
        ({"regularizer": "none"}, None, 0.0),
        ({}, None, 0.0),
    ],
)
def test_lambda_2_alone_weighs_the_weights(values, regularizer, weight):
    space = SearchSpace(head="none", strategy="fast", **values)
    model = _made(space=space).model(space.first(), seed=0)
    assert model.regularizer == regularizer
    assert model.regularizer_weight == weight


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 1.0)])
def test_gray_levels_are_scaled_for_validation_as_for_training(bounds):
    _, y = toy.data(32)
    levels = np.arange(32 * toy.FEATURES).reshape(32, -1).astype("uint8")
    made = _made((levels, y), (levels, y[:, None]), bounds=bounds, batch_size=32)
    x, labels = made.validation
    (images, _), *_ = made.stream({}, seed=0, epoch=0)
    assert x.dtype == np.float32 and labels.shape == (32,)
    np.testing.assert_array_equal(np.unique(x), np.unique(np.asarray(images)))


def test_data_that_cannot_be_attacked_is_named():
    x, y = toy.data(32)
    holes = np.where(np.arange(32)[:, None] == 20, np.nan, x).astype("float32")
    for pair, words in (
        ((255 * x, y), "must lie within bounds"),
        ((holes, y), "must be finite"),
        ((x, np.eye(2)[y]), "one-hot"),
        ((x, y - 1), "class ids >= 0"),
        ((x, y.astype(str)), "integer class ids"),
    ):
        for name in ("train", "validation"):
            with pytest.raises(ValueError, match=f"`{name}` must hold .*{words}"):
                _made(**{name: pair})
    with pytest.raises(ValueError, match="`validation` must hold images of several"):
        _made(validation=(x[y == 1], y[y == 1]))
    with pytest.raises(ValueError, match="`train` must be .*Received: list_iterator"):
        _made(train=iter([x]))
    with pytest.raises(ValueError, match="`optimizer` must be defined at the top"):
        _made(optimizer=lambda rate: keras.optimizers.Adam(rate))


def test_a_classifier_has_a_logit_for_each_label():
    x, y = toy.data(32)
    y = np.where(np.arange(32) == 20, 7, y)
    with pytest.raises(ValueError, match=r"2 logits, labels up to 7.*Dense\(8\)"):
        _made(validation=(x, y)).model({}, seed=0)
    with pytest.raises(ValueError, match=r"1 logits, labels up to 1.*Dense\(2\)"):
        _made(builder=one_logit).model({}, seed=0)
