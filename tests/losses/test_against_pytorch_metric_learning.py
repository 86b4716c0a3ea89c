"""The same numbers as pytorch-metric-learning (extra `oracle`) on random batches."""

import math

import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat.losses.n_pair import n_pair, one_pair_per_class

torch = pytest.importorskip("torch", reason="pip install 'keras_mpat[oracle]'")
pml = pytest.importorskip(
    "pytorch_metric_learning", reason="pip install 'keras_mpat[oracle]'"
)
from pytorch_metric_learning import (  # noqa: E402
    distances,
    losses,
    regularizers,
)

CLASSES, FEATURES = 5, 8
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


def batch(seed, n=20):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, FEATURES)).astype("float32")
    return x, rng.integers(0, CLASSES, n), rng


def theirs(loss, x, y):
    return float(loss(torch.from_numpy(x), torch.from_numpy(y)).detach())


def ours(head, name, weight, x, y):
    """Loss of a head with this weight, its regularizer included."""
    head.build((None, FEATURES))
    getattr(head, name).assign(weight)
    objective = head.loss()(y, head.logits(ops.convert_to_tensor(x)))
    return float(ops.convert_to_numpy(objective + head.regularization()))


@SEEDS
@pytest.mark.parametrize("normalize", [False, True], ids=["products", "cosines"])
def test_n_pairs(seed, normalize):
    x, y, _ = batch(seed)
    distance = distances.DotProductSimilarity(normalize_embeddings=normalize)
    expected = theirs(losses.NPairsLoss(distance=distance), x, y)
    partners = [
        next((j for j in range(len(y)) if j != i and y[j] == y[i]), -1)
        for i in range(len(y))
    ]
    used = one_pair_per_class(y, np.array(partners) >= 0)
    found = n_pair(x, x[partners], y, used=used, normalize=normalize)
    count = int(ops.sum(ops.cast(used, "int32")))
    assert 2 <= count <= CLASSES
    assert float(ops.sum(found)) / count == pytest.approx(expected, rel=1e-4)


@SEEDS
@pytest.mark.parametrize("scale", [1.0, 32.0])
def test_proxy_nca(seed, scale):
    x, y, rng = batch(seed)
    proxies = rng.normal(size=(CLASSES, FEATURES)).astype("float32")
    loss = losses.ProxyNCALoss(CLASSES, FEATURES, softmax_scale=scale)
    loss.proxies.data = torch.from_numpy(proxies)
    head = mpat.ProxyNCAHead(CLASSES, scale=scale)
    assert ours(head, "proxies", proxies, x, y) == pytest.approx(
        theirs(loss, x, y), rel=1e-4
    )


@SEEDS
@pytest.mark.parametrize(("alpha", "margin"), [(32.0, 0.1), (4.0, 0.3)])
def test_proxy_anchor(seed, alpha, margin):
    x, y, rng = batch(seed)
    y = y % (CLASSES - 1)  # one class is absent
    proxies = rng.normal(size=(CLASSES, FEATURES)).astype("float32")
    loss = losses.ProxyAnchorLoss(CLASSES, FEATURES, margin=margin, alpha=alpha)
    loss.proxies.data = torch.from_numpy(proxies)
    head = mpat.ProxyAnchorHead(CLASSES, scale=alpha, margin=margin)
    assert ours(head, "proxies", proxies, x, y) == pytest.approx(
        theirs(loss, x, y), rel=1e-4
    )


@SEEDS
@pytest.mark.parametrize("centers", [2, 5])
def test_soft_triple_with_its_regularizer(seed, centers):
    x, y, rng = batch(seed)
    shape = (CLASSES, centers, FEATURES)
    prototypes = rng.normal(size=shape).astype("float32")
    loss = losses.SoftTripleLoss(
        CLASSES,
        FEATURES,
        centers_per_class=centers,
        weight_regularizer=regularizers.SparseCentersRegularizer(CLASSES, centers),
        weight_reg_weight=0.2,
    )
    columns = np.ascontiguousarray(prototypes.reshape(-1, FEATURES).T)
    loss.fc.data = torch.from_numpy(columns)
    head = mpat.SoftTripleHead(CLASSES, prototypes_per_class=centers, tau=0.2)
    found = ours(head, "prototypes", prototypes, x, y)
    assert found == pytest.approx(theirs(loss, x, y), rel=1e-4)


def test_starts_have_their_deviations():
    nca = losses.ProxyNCALoss(40, 2000).proxies.detach()
    anchor = losses.ProxyAnchorLoss(40, 2000).proxies.detach()
    assert float(nca.std()) == pytest.approx(1.0, rel=0.02)  # ours: the paper's code
    assert float(anchor.std()) == pytest.approx(math.sqrt(2 / 40), rel=0.02)
