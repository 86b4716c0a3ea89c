"""The arms of examples/modes.py: shuffled prototypes, the oracle, equal beginnings."""

from types import SimpleNamespace

import keras
import modes_arms
import modes_plan
import numpy as np
import pytest
from keras import ops
from modes_oracle import PooledCrossEntropy, pooled
from modes_shuffled import ShuffledHead

import keras_mpat as mpat


def images(count, size=6):
    levels = np.random.default_rng(3).integers(0, 256, (count, size, size, 1))
    return (levels / 255).astype("float32")


def shuffled(x, prototypes=3, classes=2, **options):
    head = ShuffledHead(
        classes, prototypes_per_class=prototypes, batch_size=len(x), **options
    )
    head.build((None, 5))
    head.built = True
    return head


def test_an_image_has_one_prototype_whatever_its_batch():
    x = images(300)
    head = shuffled(x, seed=4)
    slots = np.asarray(head.slots(x))
    order = np.random.default_rng(0).permutation(300)
    assert np.array_equal(np.asarray(head.slots(x[order])), slots[order])
    assert np.asarray(head.slots(x[7:8])).tolist() == slots[7:8].tolist()
    counts = np.bincount(slots, minlength=3)
    assert counts.min() > 70 and len(counts) == 3  # 100 each, +- 3.7 sigma
    assert (np.asarray(shuffled(x, seed=5).slots(x)) != slots).any()


def test_the_lot_says_nothing_of_the_digits(shared_data):
    x, _, digits = mpat.datasets.arrays("mnist", "test", data_dir=str(shared_data))
    slots = np.asarray(shuffled(x[:1], prototypes=5).slots(x))
    table = np.zeros((5, 10))
    np.add.at(table, (slots, digits), 1)
    expected = table.sum(1, keepdims=True) * table.sum(0) / len(x)
    assert np.sum((table - expected) ** 2 / expected) < 68  # chi2 of 36: p = 0.001


def test_its_loss_is_that_of_numpy():
    x, rng = images(8), np.random.default_rng(1)
    head = shuffled(x, gamma=0.2, scale=7.0, margin=0.05)
    head.views(None, ops.convert_to_tensor(x), None, {})
    y = rng.integers(0, 2, 8).astype("int32")
    embedding = rng.normal(size=(8, 5)).astype("float32")
    loss = head.embedding_loss(ops.convert_to_tensor(y), {"adversarial": embedding})
    prototypes = np.asarray(head.prototypes)
    prototypes = prototypes / np.linalg.norm(prototypes, axis=-1, keepdims=True)
    slots, values = np.asarray(head.slots(x)), []
    for row in range(8):
        cosines = prototypes @ (embedding[row] / np.linalg.norm(embedding[row]))
        other = cosines[1 - y[row]]
        weights = np.exp(other / 0.2) / np.exp(other / 0.2).sum()
        own = 7.0 * (cosines[y[row], slots[row]] - 0.05)
        values.append(np.log1p(np.exp(7.0 * (weights @ other) - own)))
    assert float(loss) == pytest.approx(np.mean(values), rel=1e-5)


def test_of_its_class_only_the_tied_prototype_has_a_gradient():
    import tensorflow as tf

    x = images(1)
    head = shuffled(x)
    head.views(None, ops.convert_to_tensor(x), None, {})
    (slot,) = np.asarray(head.slots(x))
    embedding = tf.constant(np.random.default_rng(1).normal(size=(1, 5)), "float32")
    with tf.GradientTape() as tape:
        loss = head.embedding_loss(tf.constant([1]), {"adversarial": embedding})
    gradient = np.abs(tape.gradient(loss, head.prototypes.value)).sum(axis=-1)
    reached = gradient[1] > 0
    assert reached.tolist() == [place == slot for place in range(3)]
    assert (gradient[0] > 0).all()  # the other class repels as it always does


def test_training_ties_each_batch_anew_and_the_file_keeps_the_head(tmp_path):
    x = images(16)
    head = ShuffledHead(2, prototypes_per_class=3, batch_size=8, seed=2)
    classifier = mpat.models.lenet(2, input_shape=(6, 6, 1), filters=(2, 2), units=4)
    model = mpat.AdversarialModel(
        classifier, strategy=mpat.training.StandardTraining(), head=head
    )
    model.compile("sgd")
    y = np.arange(16) % 2
    model.train_on_batch(x[:8], y[:8])
    assert np.array_equal(np.asarray(head.tied), np.asarray(head.slots(x[:8])))
    model.train_on_batch(x[8:], y[8:])
    assert np.array_equal(np.asarray(head.tied), np.asarray(head.slots(x[8:])))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False).head
    assert (again.batch_size, again.seed, again.prototypes_per_class) == (8, 2, 3)
    assert np.array_equal(np.asarray(again.slots(x)), np.asarray(head.slots(x)))


def test_wrong_arguments_of_the_head_are_named():
    with pytest.raises(ValueError, match=r"`prototypes_per_class` must be one number"):
        ShuffledHead(2, prototypes_per_class=[2, 3], batch_size=8)
    with pytest.raises(ValueError, match="`clean_dml` has no effect.*Leave it out"):
        ShuffledHead(2, batch_size=8, clean_dml=True)
    with pytest.raises(ValueError, match="`batch_size`.*batch_size=0"):
        ShuffledHead(2, batch_size=0)


def test_arms_begin_with_the_same_weights():
    plan = modes_plan.read_plan("smoke")
    first = {}
    for name, arm in modes_arms.arms_of(3).items():
        settings = modes_arms.settings_of(plan, arm, modes=3, seed=4, weight=None)
        model = modes_arms.model_of(arm, settings, 3)
        first[name] = [np.asarray(w) for w in model.classifier.weights]
        assert model.num_classes == (6 if arm.fine else 2)
    for name, weights in first.items():
        last = 2 if name == modes_arms.ORACLE else 0  # its logits are others
        pairs = zip(weights, first[modes_arms.NONE], strict=True)
        pairs = list(pairs)[: len(weights) - last]
        assert all(np.array_equal(own, other) for own, other in pairs)


def test_with_one_mode_nothing_is_trained_twice():
    assert list(modes_arms.arms_of(1)) == [modes_arms.NONE, "K = 1", "K = 10 merged"]
    assert list(modes_arms.arms_of(2)) == list(modes_arms.ARMS)


def test_the_oracle_answers_with_the_largest_logit_of_each_class():
    classifier = mpat.models.lenet(6, input_shape=(6, 6, 1), filters=(2, 2), units=4)
    x = ops.convert_to_tensor(images(9))
    fine = np.asarray(classifier(x))
    logits = np.asarray(pooled(classifier)(x))
    assert np.array_equal(logits, np.stack([fine[:, :3].max(1), fine[:, 3:].max(1)], 1))


def test_an_attack_on_the_oracle_goes_through_the_pooling():
    import tensorflow as tf

    classifier = mpat.models.lenet(6, input_shape=(6, 6, 1), filters=(2, 2), units=4)
    x = tf.constant(images(5))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        fine = classifier(x)
        kept = tf.gather(fine[:, 3:], tf.argmax(fine[:, 3:], axis=1), batch_dims=1)
        second = pooled(classifier)(x)[:, 1]
    expected, gradient = tape.gradient(kept, x), tape.gradient(second, x)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    arm = modes_arms.ARMS[modes_arms.ORACLE]
    model = SimpleNamespace(classifier=classifier)
    assert modes_arms.predictor_of(arm, model).output_shape == (None, 2)


def test_training_attacks_the_oracle_through_the_pooling():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 4)).astype("float32")
    digits = np.array([0, 1, 2, 3, 1, 2], "int32")
    objective = PooledCrossEntropy(2)
    two = np.stack([logits[:, :2].max(1), logits[:, 2:].max(1)], 1)
    own, other = two[np.arange(6), digits // 2], two[np.arange(6), 1 - digits // 2]
    found = np.asarray(objective(digits, logits))
    np.testing.assert_allclose(found, np.log1p(np.exp(other - own)), rtol=1e-5)
    assert np.array_equal(np.asarray(objective.targeted(digits, logits)), -found)
    assert np.array_equal(np.asarray(objective.fooled(digits, logits)), other > own)
    plan, arm = modes_plan.read_plan("cpu"), modes_arms.ARMS[modes_arms.ORACLE]
    settings = modes_arms.settings_of(plan, arm, modes=2, seed=0, weight=None)
    strategy = modes_arms.model_of(arm, settings, 2).strategy
    other = modes_arms.model_of(modes_arms.ARMS["K = M"], settings, 2).strategy
    assert strategy.attack.objective.modes == 2
    names = ("steps", "step_size", "threat_model", "restarts")
    for name in names:  # otherwise the attack and its schedule are those of all arms
        mine, theirs = getattr(strategy.attack, name), getattr(other.attack, name)
        assert repr(mine) == repr(theirs)
    assert strategy.warmup_epochs == other.warmup_epochs == 2
    with pytest.raises(ValueError, match="`modes`.*modes=0.*half the number"):
        PooledCrossEntropy(0)


def test_what_is_kept_is_the_average_of_the_best_epoch_on_two_classes(tmp_path):
    """For the oracle, too, whose labels are digits, validation is of two classes."""
    rng = np.random.default_rng(0)
    mode = np.arange(64, dtype="int32") % 4
    x = rng.uniform(0, 0.2, (64, 28, 28, 1)).astype("float32")
    for place in range(4):  # a bright quarter for each
        x[mode == place, 7 * place : 7 * place + 7] += 0.5
    split = modes_plan.Split(x, mode // 2, mode)
    data = modes_plan.Data(split, split, split)
    plan = modes_plan.read_plan("smoke")
    training = {**plan.training, "epochs": 3, "batch_size": 16, "epsilon": 0.2}
    sizes = {**plan.data, "train_examples": 64}
    plan = modes_plan.Plan(**{**plan.__dict__, "training": training, "data": sizes})
    arm = modes_arms.ARMS[modes_arms.ORACLE]
    settings = modes_arms.settings_of(plan, arm, modes=2, seed=1, weight=None)
    model, kept = modes_arms.trained(arm, settings, 2, data, tmp_path)
    assert len(kept["validation"]) == 3
    best = max(kept["validation"])
    assert kept["validation"].index(best) + 1 == kept["epoch"]
    attack = mpat.attacks.PGD(mpat.Linf(0.2), steps=2)
    logs: dict[str, float] = {}
    predictor = modes_arms.predictor_of(arm, model)
    modes_arms.Validation(predictor, split, attack).on_epoch_end(0, logs)
    assert logs["val_robust_accuracy"] == pytest.approx(best, abs=1e-6)
    loaded, same = modes_arms.trained(arm, settings, 2, data, tmp_path)
    assert same == kept
    assert all(map(np.array_equal, loaded.get_weights(), model.get_weights()))
    other = modes_arms.settings_of(plan, arm, modes=2, seed=2, weight=None)
    with pytest.raises(ValueError, match="`run_dir` must be a new.*another folder"):
        modes_arms.trained(arm, other, 2, data, tmp_path)
    x_adv = attack(predictor, ops.convert_to_tensor(x), split.superclass, noise_of(64))
    right = np.argmax(predictor(x_adv), axis=1) == split.superclass
    assert np.mean(right) == pytest.approx(best, abs=0.05)


def noise_of(count):
    return mpat.noise.of_indices(0, np.arange(count))
