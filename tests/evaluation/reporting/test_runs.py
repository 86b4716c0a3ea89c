"""What is read from a run directory, and what is left out."""

import json
import shutil

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat.evaluation import RobustnessResult
from keras_mpat.evaluation.reporting.data import checked_data
from keras_mpat.evaluation.reporting.model_on_data import ModelOnData
from keras_mpat.evaluation.reporting.runs import read_run, united
from tests.evaluation.reporting.run_folders import attack


@pytest.fixture
def folder(runs, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(runs[0], tmp_path / "run")


def test_the_verdict_is_the_worst_case_of_all_files_about_the_same_images(folder):
    attack(folder, 40, mpat.attacks.RandomNoise)
    found = read_run(folder).evaluation
    assert [stage.name for stage in found.result.stages] == ["FGSM", "RandomNoise"]
    loaded = [RobustnessResult.load(path) for path in sorted(folder.glob("eval*"))]
    worst = loaded[0].robust & loaded[1].robust
    assert np.array_equal(found.result.robust, worst) and len(found.files) == 2


def test_the_epsilon_of_the_training_decides_then_the_number_of_images(folder):
    attack(folder, 50, epsilon=0.2)
    attack(folder, 20)
    run = read_run(folder)
    assert (run.evaluation.epsilon, run.evaluation.result.n) == (0.1, 40)
    others = {(other.epsilon, other.result.n) for other in run.others}
    assert others == {(0.2, 50), (0.1, 20)}


def test_files_about_other_weights_are_told_and_left_out(folder):
    path = next(folder.glob("evaluation*.json"))
    values = json.loads(path.read_text())
    values["evidence"]["sha256"]["weights"] = "0" * 64
    path.write_text(json.dumps(values))
    (folder / "audit.json").write_text(json.dumps({"sha256": {"weights": "0"}}))
    run = read_run(folder)
    assert run.evaluation is None and run.audit is None
    assert run.stale == (path.name, "audit.json")


def test_a_model_alone_is_a_run(folder, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(folder / "classifier.keras", bare)
    run = read_run(bare)
    assert run.name == "bare" and run.evaluation is None and run.history == {}


def test_history_keeps_gaps(folder):
    history = read_run(folder).history
    assert history["epoch"] == [1, 2] and np.isnan(history["val_accuracy"][0])


def test_what_is_no_run_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="`run_dir` must be a folder that holds"):
        read_run(tmp_path / "nothing")
    (folder / "run.json").write_text("{half")
    with pytest.raises(ValueError, match="Received: run.json, which is not JSON"):
        read_run(folder)


def test_unequal_images_are_not_united(folder):
    results = [
        RobustnessResult.load(attack(folder, 40)),
        RobustnessResult.load(attack(folder, 30)),
    ]
    with pytest.raises(ValueError, match="`results` must be about one model"):
        united(results)


def test_results_that_were_saved_as_they_are_tell_their_radius(folder):
    for epsilon in (0.1, 0.2):
        attack(folder, 40, epsilon=epsilon)
    for path in folder.glob("evaluation-FGSM-40-*.json"):
        RobustnessResult.load(path).save(path)  # without the epsilon of evaluate.py
    run = read_run(folder)
    assert run.evaluation.epsilon == 0.1
    assert [other.epsilon for other in run.others] == [0.2]


def test_radii_per_feature_are_no_radius(folder):
    (path,) = folder.glob("evaluation*.json")
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"epsilon": [0.1, 0.2]}))
    other = folder / "evaluation-other.json"
    other.write_text(json.dumps(values | {"epsilon": [0.1, 0.3]}))
    run = read_run(folder)
    assert run.evaluation.epsilon is None and len(run.others) == 1


@pytest.mark.parametrize("text", ["{}", "[]", '{"n": 1', '{"stages": 1}'])
def test_a_file_that_is_no_evaluation_is_named(folder, text):
    (folder / "evaluation-x.json").write_text(text)
    with pytest.raises(ValueError, match=r"readable files. Received: evaluation-x"):
        read_run(folder)


def test_a_line_of_history_may_be_too_long(folder):
    (folder / "history.csv").write_text("epoch,loss\n1,2,3\n2")
    history = read_run(folder).history
    assert history["epoch"] == [1, 2] and history["loss"][0] == 2
    assert list(history) == ["epoch", "loss"]


def test_a_classifier_that_ends_in_softmax_is_analyzed_by_its_logits(tmp_path):
    net = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, activation="softmax", name="last")]
    )
    net.save(tmp_path / "classifier.keras")
    x = np.random.default_rng(0).random((4, 3), "float32")
    run = read_run(tmp_path)
    data = checked_data((x, [0, 1, 0, 1]))
    found = ModelOnData(run.folder, run.model, data, mpat.Linf(0.1))
    logits = keras.ops.convert_to_numpy(found.model(x))
    np.testing.assert_allclose(x @ net.layers[-1].get_weights()[0], logits, atol=1e-5)
