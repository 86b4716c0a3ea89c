"""FullState: a training that ended anywhere goes on as if it had not."""

import os
import shutil
import signal
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat.callbacks import FullState, MergeRecord, PrototypeMerging
from tests import toy

X, Y = toy.data(32)
HELD_OUT = toy.data(16, seed=1)
BALL = mpat.Linf(0.1)
STRATEGIES = {
    "pgd": lambda: mpat.training.PGDTraining(BALL, steps=2, warmup_epochs=2),
    "fast": lambda: mpat.training.FastTraining(BALL),
    "free": lambda: mpat.training.FreeTraining(BALL, replays=2, batch_size=16),
}
QUIET = {"batch_size": 16, "shuffle": False, "verbose": 0, "validation_data": HELD_OUT}


class Killed(Exception):
    """What ends a run in the middle."""


class At(keras.callbacks.Callback):
    """Does something after a batch of an epoch, counted from 0."""

    def __init__(self, epoch, act, batch=0):
        super().__init__()
        self._when, self._act = (epoch, batch), act

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == self._when:
            self._act(self.model)


def kill(_):
    raise Killed


def terminate(_):
    os.kill(os.getpid(), signal.SIGTERM)


def make(name="pgd", **options):
    keras.utils.set_random_seed(0)
    options = {"head": toy.head(), "learning_rate": 0.05} | options
    return toy.model(STRATEGIES[name](), **options)


def others():
    """Callbacks that remember: what waits, what lowers the rate, what merges."""
    return [
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1),
        PrototypeMerging(1.9, start_epoch=1, guard=False),
        keras.callbacks.EarlyStopping(
            "val_loss", patience=3, min_delta=10.0, restore_best_weights=True
        ),
    ]


def run(folder, *, epochs=6, name="pgd", also=(), watchers=others, **options):
    """One process' part of a run: (model, history, callbacks)."""
    model, of = make(name), watchers()
    state = FullState(folder, of=of, **options)
    callbacks = [*of, *also, state]
    history = model.fit(X, Y, epochs=epochs, callbacks=callbacks, **QUIET)
    return model, history, of


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The uninterrupted run; early stopping ends it after four of six epochs."""
    return run(tmp_path_factory.mktemp("whole"))


def assert_equal_runs(one, other):
    model, history, of = one
    expected, expected_history, expected_of = other
    toy.assert_same(toy.values(model.variables), toy.values(expected.variables))
    toy.assert_same(
        toy.values(model.optimizer.variables), toy.values(expected.optimizer.variables)
    )
    assert history.epoch == expected_history.epoch
    assert history.history.keys() == expected_history.history.keys()
    for key, row in expected_history.history.items():
        np.testing.assert_array_equal(history.history[key], row, err_msg=key)
    for callback, twin in zip(of, expected_of, strict=True):
        for key in ("wait", "best", "best_epoch", "cooldown_counter", "merges"):
            assert getattr(callback, key, None) == getattr(twin, key, None), key


@pytest.mark.parametrize(("epoch", "batch"), [(0, 0), (1, 1), (3, 0)])
def test_a_killed_run_ends_as_the_uninterrupted_one(tmp_path, whole, epoch, batch):
    assert whole[1].epoch == [0, 1, 2, 3]
    with pytest.raises(Killed):
        run(tmp_path, also=[At(epoch, kill, batch)])
    assert FullState(tmp_path).epoch == epoch
    assert_equal_runs(run(tmp_path), whole)


def test_killed_after_each_epoch_it_ends_the_same(tmp_path, whole):
    for epoch in (1, 2, 3):
        with pytest.raises(Killed):
            run(tmp_path, also=[At(epoch, kill)])
    found = run(tmp_path)
    assert_equal_runs(found, whole)
    merges = found[2][1].merges
    assert merges and all(isinstance(merge, MergeRecord) for merge in merges)


@pytest.mark.parametrize("name", ["fast", "free"])
def test_each_strategy_goes_on_exactly(tmp_path, name):
    plain = {"name": name, "watchers": list, "epochs": 4}
    expected = run(tmp_path / "whole", **plain)
    with pytest.raises(Killed):
        run(tmp_path / "part", also=[At(2, kill, 1)], **plain)
    assert_equal_runs(run(tmp_path / "part", **plain), expected)


def test_a_run_that_has_ended_trains_no_more(tmp_path, whole):
    first = run(tmp_path)
    again = run(tmp_path)  # stopped early, though six epochs are asked for
    assert int(again[0].optimizer.iterations) == int(first[0].optimizer.iterations)
    assert_equal_runs(again, whole)


def test_more_epochs_may_be_asked_for_later(tmp_path):
    plain = {"watchers": list}
    run(tmp_path / "a", epochs=2, **plain)
    longer = run(tmp_path / "a", epochs=3, **plain)
    assert_equal_runs(longer, run(tmp_path / "b", epochs=3, **plain))


DAMAGE = {
    "a torn weights file": lambda p: _cut(p / "state-0003.weights.h5"),
    "torn arrays": lambda p: _cut(p / "state-0003.npz"),
    "a torn description": lambda p: _cut(p / "state-0003.json"),
    "no weights file": lambda p: (p / "state-0003.weights.h5").unlink(),
    "a description that is a list": lambda p: (p / "state-0003.json").write_text("[]"),
}


def _cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """The folder of a run that was killed after three epochs."""
    folder = tmp_path_factory.mktemp("three")
    with pytest.raises(Killed):
        run(folder, also=[At(3, kill)])
    return folder


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_state_is_passed_over_for_the_one_before(tmp_path, three, damage):
    folder = shutil.copytree(three, tmp_path / "run")
    assert FullState(folder).epoch == 3
    damage(folder)
    with pytest.warns(UserWarning, match="after epoch 3 in .* is damaged"):
        assert FullState(folder).epoch == 2


def test_from_the_state_before_the_run_ends_the_same(tmp_path, three, whole):
    folder = shutil.copytree(three, tmp_path / "run")
    _cut(folder / "state-0003.weights.h5")
    with pytest.warns(UserWarning, match="after epoch 3 in .* is damaged"):
        assert_equal_runs(run(folder), whole)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_full_disk_loses_nothing_that_was_there(tmp_path, three, monkeypatch, call):
    replace, calls = os.replace, []
    folder = shutil.copytree(three, tmp_path / "run")

    def full(source, target):
        calls.append(target)
        if len(calls) == call:  # of the three files of a state
            raise OSError("No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "replace", full)
        run(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert FullState(folder).epoch == 3


def test_the_last_few_states_stay(tmp_path):
    for keep, expected in ((2, {3, 4}), (1, {4})):
        folder = tmp_path / str(keep)
        run(folder, epochs=4, keep=keep, watchers=list)
        kept = {path.name for path in folder.iterdir() if path.name != ".lock"}
        suffixes = (".json", ".npz", ".weights.h5")
        assert kept == {f"state-000{n}{end}" for n in expected for end in suffixes}


@pytest.mark.parametrize(("epoch", "batch"), [(0, 0), (2, 1)])
def test_sigterm_keeps_the_batch_and_the_run_goes_on(
    tmp_path, whole, capsys, epoch, batch
):
    before = signal.getsignal(signal.SIGTERM)
    seen, trained = [], []
    also = [At(epoch, terminate, batch), At(epoch, seen.append, batch + 1)]
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, also=also)
    assert ended.value.code == 143 and not seen
    kept = f"state after epoch {epoch} and {batch + 1} batches; the same command"
    assert kept in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
    count = At(epoch, lambda model: trained.append(int(model.optimizer.iterations)), 1)
    assert_equal_runs(run(tmp_path, also=[count]), whole)
    assert trained == [2 * epoch + 2]  # the batches that were done were not again


def test_killed_between_states_within_an_epoch(tmp_path, whole):
    for place in ((0, 1), (1, 0), (3, 1)):
        with pytest.raises(Killed):
            run(tmp_path, also=[At(place[0], kill, place[1])], every=1)
        epoch, batch = place
        name = f"state-{epoch:04d}" + (f"-{batch:06d}" if batch else "") + ".json"
        assert (tmp_path / name).exists()
    assert_equal_runs(run(tmp_path), whole)


class AtValidation(keras.callbacks.Callback):
    """Sends SIGTERM in the validation after an epoch, counted from 0."""

    def __init__(self, epoch):
        super().__init__()
        self._when = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_test_batch_begin(self, batch, logs=None):
        if self._epoch == self._when:
            terminate(self.model)


def test_sigterm_in_a_validation(tmp_path, whole, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, also=[AtValidation(1)])
    assert "state after epoch 1 and 2 batches" in capsys.readouterr().err
    assert_equal_runs(run(tmp_path), whole)


def test_sigterm_while_batches_are_passed_over(tmp_path, whole, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, also=[At(1, terminate, 1)])
    with pytest.raises(SystemExit):
        run(tmp_path, also=[At(1, terminate, 0)])
    assert capsys.readouterr().err.count("after epoch 1 and 2 batches") == 2
    assert_equal_runs(run(tmp_path), whole)


def stream(epoch):
    """Batches of 8, in an order of their own in each epoch."""
    return mpat.datasets.from_arrays(
        *toy.data(40), batch_size=8, seed=3, epoch=epoch, shuffle=True
    )


@pytest.mark.parametrize("together", [1, 2])
def test_a_stream_goes_on_within_an_epoch(tmp_path, together):
    def part(folder, also=()):
        model = make(eager=together == 1)
        model.steps_per_execution = together
        state = FullState(folder)
        data = stream(state.epoch)
        callbacks = [*also, state]
        history = model.fit(data, epochs=3, callbacks=callbacks, verbose=0)
        return model, history, []

    expected = part(tmp_path / "whole")
    for place in ((0, 1), (1, 3)):
        with pytest.raises(SystemExit):
            part(tmp_path / "part", [At(place[0], terminate, place[1])])
    assert_equal_runs(part(tmp_path / "part"), expected)


def test_other_data_within_an_epoch_is_refused(tmp_path):
    with pytest.raises(SystemExit):
        run(tmp_path, also=[At(1, terminate, 1)], watchers=list)
    options = QUIET | {"batch_size": 32, "epochs": 2}
    with pytest.raises(ValueError, match="1 batches an epoch where .* has 2"):
        make().fit(X, Y, callbacks=[FullState(tmp_path)], **options)
    model = make()
    model.steps_per_execution = 3
    with pytest.raises(ValueError, match="`steps_per_execution` must divide the batch"):
        model.fit(X, Y, epochs=2, callbacks=[FullState(tmp_path)], **QUIET)

    def one_batch():
        yield X[:16], Y[:16]

    with (
        pytest.raises(ValueError, match="1 batches in epoch 2, where 2 were done"),
        pytest.warns(UserWarning, match="ran out of data"),
    ):
        make().fit(one_batch(), epochs=2, callbacks=[FullState(tmp_path)], verbose=0)


def test_other_metrics_within_an_epoch_are_warned_of(tmp_path):
    with pytest.raises(SystemExit):
        run(tmp_path, also=[At(1, terminate)], watchers=list)
    model = make()
    more = ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2)]
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9), metrics=more, run_eagerly=True
    )
    with pytest.warns(UserWarning, match="Metrics have changed since epoch 1 and 1 ba"):
        model.fit(X, Y, epochs=2, callbacks=[FullState(tmp_path)], **QUIET)


def test_weights_that_are_no_numbers_are_named_and_not_kept(tmp_path, whole):
    def break_it(model):
        kernel = model.classifier.layers[0].kernel
        kernel.assign(kernel * np.nan)

    with pytest.raises(
        FloatingPointError, match="after epoch 3: .*kernel.*after epoch 2"
    ):
        run(tmp_path, also=[At(2, break_it, 1)])
    assert FullState(tmp_path).epoch == 2
    assert_equal_runs(run(tmp_path), whole)
    with pytest.raises(FloatingPointError, match="holds nothing"):
        run(tmp_path / "new", also=[At(0, break_it, 1)], watchers=list)


def test_a_second_process_is_refused(tmp_path):
    hold = "import sys, pathlib; from keras_mpat.locks import locked\n"
    hold += "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="must be used by one process at a time"):
            run(tmp_path, watchers=list)
        other.communicate("\n", timeout=60)
    run(tmp_path, epochs=1, watchers=list)  # now it is free


def test_states_of_another_model_or_other_callbacks_are_refused(tmp_path):
    run(tmp_path, epochs=1)
    model = make(head=toy.head(prototypes_per_class=4))
    with pytest.raises(ValueError, match=r"`folder` must hold states of this model.*3"):
        model.fit(X, Y, callbacks=[FullState(tmp_path)], **QUIET)
    with pytest.raises(ValueError, match="`of` must name .* order.*Merging"):
        make().fit(X, Y, callbacks=[FullState(tmp_path)], **QUIET)
    early = keras.callbacks.EarlyStopping("val_loss")
    with pytest.raises(ValueError, match="EarlyStopping, which is not among"):
        make().fit(X, Y, callbacks=[FullState(tmp_path / "b", of=[early])], **QUIET)
    assert not (tmp_path / "b").exists()
    with pytest.raises(ValueError, match="`every` must be"):
        FullState(tmp_path, every=0)
    for wrong in (early, ["early"]):
        with pytest.raises(ValueError, match="`of` must be a list of callbacks"):
            FullState(tmp_path, of=wrong)
    with pytest.raises(ValueError, match="`keep` must be"):
        FullState(tmp_path, keep=0)
