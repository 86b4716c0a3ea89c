"""From pretraining to fine-tuning: what is copied, and what does not fit."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat
from keras_mpat import models, pretraining
from keras_mpat.pretraining import initialize, load_published
from tests import toy
from tests.contracts.pretraining_table import METHODS, classifier, compiled, images


def embedded(net, x):
    return ops.convert_to_numpy(
        keras.Model(net.inputs[0], models.find_embedding(net))(x, training=False)
    )


@pytest.fixture(scope="module")
def acl():
    model = compiled(METHODS["acl-ds"])
    model.fit(images(), batch_size=8, epochs=3, shuffle=False, verbose=0)
    return model


def test_the_encoder_is_copied_with_the_adversarial_statistics(acl, tmp_path):
    x = images()
    acl.save(tmp_path / "model.keras")
    acl.classifier.save(tmp_path / "classifier.keras")
    sources = [acl, acl.classifier, tmp_path, str(tmp_path / "classifier.keras")]
    for source in sources:
        net = classifier(seed=1)
        last = toy.values(net.get_layer("logits").variables)
        assert initialize(net, source) is net
        np.testing.assert_allclose(
            embedded(net, x), acl.predict(x, verbose=0), rtol=1e-5, atol=1e-6
        )
        toy.assert_same(last, toy.values(net.get_layer("logits").variables))
    clean, own = (
        toy.values(network.get_layer("bn").non_trainable_variables)
        for network in (acl.clean_network, net)
    )
    assert not np.allclose(clean[0], own[0])


def test_fine_tuning_goes_on_from_it_and_the_last_layer_can_be_zero(acl):
    net = initialize(classifier(seed=1), acl, zero_last=True)
    assert not np.any(ops.convert_to_numpy(net.get_layer("logits").kernel.value))
    x, y = images(), np.arange(8) % 3
    strategy = keras_mpat.training.PGDTraining(keras_mpat.Linf(0.1), steps=1)
    model = keras_mpat.AdversarialModel(net, strategy=strategy)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    (loss,) = model.fit(x, y, batch_size=8, verbose=0).history["loss"]
    assert loss == pytest.approx(np.log(3), rel=1e-5)


def test_another_architecture_is_refused_by_name_and_nothing_is_copied(acl):
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(4, 3, strides=2, name="conv")(image)
    x = layers.Flatten()(x)
    other = keras.Model(image, layers.Dense(3)(layers.Dense(5, name="hidden")(x)))
    before = other.get_weights()
    with pytest.raises(ValueError, match="`from_run` must hold the weights") as error:
        initialize(other, acl)
    for part in (
        "bn/gamma is unknown",
        "conv/kernel has shape (3, 3, 1, 3), not (3, 3, 1, 4)",
        "hidden/kernel has shape",
    ):
        assert part in str(error.value)
    toy.assert_same(before, other.get_weights())
    with pytest.raises(ValueError, match="`from_run` must be a model"):
        initialize(other, "nowhere.keras")


def test_other_constants_are_noticed(acl):
    net = classifier(seed=1)
    net.get_layer("scale").scale = 1.0
    before = net.get_weights()
    with pytest.raises(ValueError, match="other embeddings for the same weights"):
        initialize(net, acl)
    toy.assert_same(before, net.get_weights())  # nothing is copied


def test_half_precision_begins_from_weights_of_float32(acl):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = classifier(seed=1)
    finally:
        keras.config.set_dtype_policy("float32")
    initialize(net, acl)
    toy.assert_same(net.get_weights()[:-2], acl.classifier.get_weights()[:-2])
    net.get_layer("scale").scale = 1.0
    with pytest.raises(ValueError, match="other embeddings for the same weights"):
        initialize(net, acl)


def test_weights_of_a_training_that_diverged_are_refused(tmp_path):
    source, net = classifier(), classifier(seed=1)
    before = net.get_weights()
    kernel = source.get_layer("hidden").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(ValueError, match="hidden/kernel holds values that are no fin"):
        initialize(net, source)
    toy.assert_same(before, net.get_weights())
    for value in (np.inf, 1j):
        arrays = acl_file()
        arrays["conv1.weight"] = arrays["conv1.weight"] * value
        np.savez(tmp_path / "acl.npz", **arrays)
        with pytest.raises(ValueError, match="stem_conv/kernel holds values"):
            load_published(resnet(), tmp_path / "acl.npz")


def test_a_model_that_was_trained_with_labels_is_no_pretraining(tmp_path):
    strategy = keras_mpat.training.PGDTraining(keras_mpat.Linf(0.1), steps=1)
    model = keras_mpat.AdversarialModel(classifier(), strategy=strategy)
    model.save(tmp_path / "model.keras")
    for source in (model, tmp_path):
        with pytest.raises(ValueError, match="`from_run` must .* was trained with lab"):
            initialize(classifier(), source)


def test_weights_with_one_name_are_refused():
    def inner(name):
        image = keras.Input((4,))
        return keras.Model(image, layers.Dense(4, name="dense")(image), name=name)

    def net():
        image = keras.Input((4,))
        x = inner("second")(inner("first")(image))
        return keras.Model(image, layers.Dense(2, name="logits")(x))

    with pytest.raises(ValueError, match="`classifier` must have a name of its own"):
        initialize(net(), net())


def test_damaged_files_are_refused(tmp_path):
    np.savez(tmp_path / "acl.npz", **acl_file())
    classifier().save(tmp_path / "net.keras")
    whole = (tmp_path / "acl.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[3000:3100] = bytes(100)
    path = tmp_path / "damaged.npz"
    for content in (b"", b"PK", whole[:5000], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match="`path` must be a .npz file that is whole"
        ):
            load_published(resnet(), path)
    for given in (None, 3):
        with pytest.raises(ValueError, match="`path` must be a local file"):
            load_published(resnet(), given)
    path = tmp_path / "damaged.keras"
    path.write_bytes((tmp_path / "net.keras").read_bytes()[:2000])
    with pytest.raises(
        ValueError, match="`from_run` must be a .keras file that is who"
    ):
        initialize(classifier(), path)


def acl_file(width=4, sets=2, seed=0):
    """Arrays in the layout of ACL's repository, module by module."""
    rng = np.random.default_rng(seed)
    arrays = {}

    def conv(name, out, inner, size):
        arrays[f"{name}.weight"] = rng.normal(size=(out, inner, size, size))

    def norm(name, out):
        for index in range(sets):
            part = f"{name}.bn_list.{index}" if sets > 1 else name
            for kind in ("weight", "bias", "running_mean", "running_var"):
                arrays[f"{part}.{kind}"] = rng.uniform(0.5, 1.5, out)
            arrays[f"{part}.num_batches_tracked"] = np.array(7)

    conv("conv1", width, 3, 3)
    norm("bn1", width)
    inner = width
    for stage in range(1, 5):
        out = width * 2 ** (stage - 1)
        for block in (0, 1):
            place = f"layer{stage}.{block}"
            conv(f"{place}.conv1", out, inner, 3)
            norm(f"{place}.bn1", out)
            conv(f"{place}.conv2", out, out, 3)
            norm(f"{place}.bn2", out)
            if inner != out:
                names = ("conv", "bn") if sets > 1 else ("0", "1")
                conv(f"{place}.downsample.{names[0]}", out, inner, 1)
                norm(f"{place}.downsample.{names[1]}", out)
            inner = out
    arrays["fc.fc1.weight"] = rng.normal(size=(inner, inner))
    arrays["normalize.mean"] = np.array(pretraining.IMAGENET_MEAN)
    return {
        name: array.astype("float32" if array.ndim else "int64")
        for name, array in arrays.items()
    }


def resnet(width=4, **kwargs):
    normalization = {"mean": pretraining.IMAGENET_MEAN, "std": pretraining.IMAGENET_STD}
    return models.resnet18(
        3, width=width, input_shape=(8, 8, 3), **normalization | kwargs
    )


@pytest.mark.parametrize("sets", [1, 2])
def test_published_weights_find_their_layers(sets, tmp_path):
    arrays = acl_file(sets=sets)
    np.savez(tmp_path / "acl.npz", **arrays)
    net = load_published(resnet(), tmp_path / "acl.npz")
    norm = ".bn_list.1" if sets > 1 else ""
    shortcut = "downsample.conv" if sets > 1 else "downsample.0"
    for layer, name in {
        "stem_conv": "conv1",
        "stage1_block1_conv1": "layer1.0.conv1",
        "stage3_block2_conv2": "layer3.1.conv2",
        "stage4_block1_shortcut_conv": f"layer4.0.{shortcut}",
    }.items():
        found = ops.convert_to_numpy(net.get_layer(layer).kernel.value)
        np.testing.assert_array_equal(
            found, np.moveaxis(arrays[f"{name}.weight"], (0, 1), (3, 2))
        )
    for layer, name in {"stem_bn": "bn1", "stage2_block2_bn1": "layer2.1.bn1"}.items():
        found = toy.values(net.get_layer(layer).weights)
        kinds = ("weight", "bias", "running_mean", "running_var")
        expected = [arrays[f"{name}{norm}.{kind}"] for kind in kinds]
        toy.assert_same(found, expected)
    assert np.any(ops.convert_to_numpy(net.get_layer("logits").kernel.value))
    load_published(net, tmp_path / "acl.npz", zero_last=True)
    assert not np.any(ops.convert_to_numpy(net.get_layer("logits").kernel.value))
    if sets > 1:
        clean = load_published(resnet(), tmp_path / "acl.npz", statistics=0)
        toy.assert_same(
            [arrays["bn1.bn_list.0.weight"]],
            toy.values(clean.get_layer("stem_bn").weights)[:1],
        )
        with pytest.raises(ValueError, match=r"sets in the file, \[0, 1\]"):
            load_published(resnet(), tmp_path / "acl.npz", statistics=2)


def test_weights_of_another_net_are_refused_with_what_differs(tmp_path):
    path = tmp_path / "acl.npz"
    np.savez(path, **acl_file(width=8))
    net = resnet()
    before = net.get_weights()
    with pytest.raises(ValueError, match="stem_conv/kernel has shape|stage1_block1"):
        load_published(net, path)
    arrays = acl_file()
    arrays["layer1.2.conv1.weight"] = arrays.pop("layer1.1.conv1.weight")
    np.savez(path, **arrays)
    with pytest.raises(ValueError) as error:
        load_published(net, path)
    assert "stage1_block2_conv1/kernel is missing" in str(error.value)
    assert "stage1_block3_conv1/kernel is unknown" in str(error.value)
    toy.assert_same(before, net.get_weights())
    np.savez(path, **acl_file())
    with pytest.raises(ValueError, match="must normalize .* mean and std of ImageNet"):
        load_published(models.resnet18(3, width=4), path)
    np.savez(path, **{"conv1.weight": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match="`path` must hold arrays of numbers only"):
        load_published(net, path)
    with pytest.raises(ValueError, match="`path` must be a local file"):
        load_published(net, tmp_path / "acl.h5")


def test_torch_files_are_read_without_executing_anything(tmp_path):
    torch = pytest.importorskip("torch")
    arrays = acl_file()
    state = {name: torch.tensor(array) for name, array in arrays.items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "model.pt")
    net = load_published(resnet(), tmp_path / "model.pt")
    np.savez(tmp_path / "acl.npz", **arrays)
    same = load_published(resnet(), tmp_path / "acl.npz")
    toy.assert_same(
        [w for w in net.get_weights()[:-2]], [w for w in same.get_weights()[:-2]]
    )
    torch.save({"state_dict": state, "object": print}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="must hold tensors only"):
        load_published(net, tmp_path / "evil.pt")
    for content in (b"", b"hello", (tmp_path / "model.pt").read_bytes()[:3000]):
        (tmp_path / "damaged.pt").write_bytes(content)
        with pytest.raises(ValueError, match="`path` must be a torch file that is who"):
            load_published(net, tmp_path / "damaged.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="must hold a state_dict"):
        load_published(net, tmp_path / "list.pt")
