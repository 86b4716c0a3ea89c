"""examples/evaluate.py: the table, the JSON and the pictures of a finished run."""

import json

import evaluate
import inference
import keras
import numpy as np
import pytest
import settings
import train
from matplotlib.image import imread
from run_directory import RunDirectory

from keras_mpat import datasets
from keras_mpat.evaluation import RobustnessResult


@pytest.fixture(scope="module")
def run_dir(tiny, tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    train.train(settings.resolve(tiny | {"epochs": 2}), folder)
    return folder


def test_the_suite_has_the_sizes_it_says():
    attacks = evaluate.suite(0.1)
    assert len(attacks) == 8
    strong = attacks["PGD-50×10"]
    assert (strong.steps, strong.restarts) == (50, 10)
    assert strong.step_length == pytest.approx(2.5 * 0.1 / 50)
    assert attacks["PGD-10"].step_length == pytest.approx(0.025)
    twice = evaluate.suite("8/255", names=["bim"], steps_factor=2)
    assert twice["BIM-14"].steps == 14
    fewer = evaluate.suite(0.1, names=["square", "noise"], restarts=3)
    (square, noise) = fewer.values()
    assert (square.queries, square.restarts, noise.restarts) == (20_000, 3, 10)
    assert list(fewer)[0] == "Square-20000×3"
    with pytest.raises(ValueError, match="`attacks` must be one of fgsm"):
        evaluate.suite(0.1, names=["deepfool"])


def test_a_fresh_process_writes_table_json_and_pictures(run_dir, run_script):
    script = ["examples/evaluate.py", "--run_dir", run_dir, "--limit", "40"]
    done = run_script(*script, "--attacks", "fgsm,pgd10,noise", "--card")
    assert done.returncode == 0, done.stderr
    assert "| PGD-10 | 0.1 | 10 × 0.025 |" in done.stdout
    assert "n = 40" in done.stdout
    assert "PGD-type attacks only, not audited." in done.stdout
    (path,) = run_dir.glob("evaluation-*.json")
    stored = json.loads(path.read_text())
    assert stored["flags"]["attacks"] == ["fgsm", "pgd10", "noise"]
    assert "steps=10" in stored["stages"][1]["attack"]
    x, y, _ = datasets.arrays("digits_2", "test")
    classifier = keras.saving.load_model(run_dir / "classifier.keras")
    right = np.argmax(classifier(x[:40]), axis=-1) == y[:40]
    result = RobustnessResult.load(path)
    np.testing.assert_array_equal(result.clean, right)
    proof = result.evidence.with_examples(path.with_suffix(".npz"))
    fooled = result.clean & ~result.robust
    np.testing.assert_array_equal(proof.index, np.flatnonzero(fooled))
    wrong = np.argmax(classifier(proof.adversarial), axis=-1) != y[:40][fooled]
    assert fooled.any() and wrong.all()
    card = json.loads((run_dir / "card.json").read_text())
    assert card["results"][0]["sha256"] == proof.sha256
    assert card["training"]["settings"]["strategy"] == "pgd"
    text = (run_dir / "card.md").read_text(encoding="utf-8")
    assert "under FGSM, PGD-10, random noise" in text and "; not audited" in text
    assert "robust_accuracy" not in text  # that of the training says no attack
    picture = imread(run_dir / "adversarial_examples.png")
    assert min(picture.shape[:2]) > 300
    assert picture[..., :3].std() > 0.05


def test_finished_batches_are_not_computed_again(run_dir, monkeypatch):
    chosen = evaluate.suite(0.05, names=["fgsm"])
    options = {"chosen": chosen, "limit": 30, "batch_size": 16}
    first = evaluate.evaluate(run_dir, **options)
    monkeypatch.setattr(evaluate.attacks.FGSM, "search", None)
    assert evaluate.evaluate(run_dir, **options) == first


def test_attacks_keep_their_verdicts_in_any_order(run_dir):
    options = {"limit": 30, "batch_size": 16}
    found = []
    for names in ["fgsm", "noise"], ["noise", "fgsm"]:
        chosen = evaluate.suite(0.1, names=names)
        result = evaluate.evaluate(run_dir, chosen=chosen, **options)
        found.append({stage.name: stage.accuracy for stage in result.stages})
    assert found[0] == found[1] and found[0]["FGSM"] < found[0]["random noise ×10"]


def test_certified_images_are_told_from_attacked_ones(run_dir):
    options = {"chosen": evaluate.suite(0.01, names=["fgsm"]), "limit": 40}
    result = evaluate.evaluate(run_dir, certify=True, **options)
    assert 0 < result.certified_accuracy <= result.robust_accuracy
    np.testing.assert_array_equal(
        result.robust, evaluate.evaluate(run_dir, **options).robust
    )


def test_what_chooses_between_runs_is_no_test_image(run_dir, run_script):
    before = set(run_dir.iterdir())
    script = ["examples/evaluate.py", "--run_dir", run_dir, "--split", "validation"]
    done = run_script(*script, "--attacks", "fgsm", "--certify", "--limit", "30")
    assert done.returncode == 0, done.stderr
    (path,) = run_dir.glob("validation-*.json")
    written = {path, path.with_suffix(".npz"), run_dir / "evaluation_state"}
    assert set(run_dir.iterdir()) - before <= written
    assert json.loads(path.read_text())["flags"]["split"] == "validation"
    classifier = keras.saving.load_model(run_dir / "classifier.keras")
    found = {"validation": RobustnessResult.load(path).clean}
    options = {"chosen": evaluate.suite(0.1, names=["fgsm"]), "limit": 30}
    for split in "test", "validation":
        found[f"{split}, here"] = evaluate.evaluate(
            run_dir, split=split, **options
        ).clean
        x, y, _ = datasets.arrays("digits_2", split)
        right = np.argmax(classifier(x[:30]), axis=-1) == y[:30]
        np.testing.assert_array_equal(found[f"{split}, here"], right)
    np.testing.assert_array_equal(found["validation"], right)
    assert not np.array_equal(found["test, here"], right)
    for flag in "--card", "--audit":
        refused = run_script(*script, flag)
        assert refused.returncode == 1 and f"`{flag[2:]}` must be" in refused.stderr


def test_the_pictures_show_each_mode_and_stay_in_the_ball(run_dir):
    x, y, titles = evaluate.examples(run_dir)
    assert len(x) == 10
    assert list(y) == [0] * 5 + [1] * 5
    assert len(titles) == 2
    (clean, _), (x_adv, _) = evaluate.attacked(run_dir, x, y, (0.0, 0.2), steps=3)
    np.testing.assert_array_equal(clean, x)
    assert 0.1 < np.abs(x_adv - x).max() <= 0.2 + 1e-6


def test_an_unfinished_run_is_refused(tmp_path):
    RunDirectory(tmp_path, {"epochs": 3}).update(settings={"epochs": 3})
    with pytest.raises(ValueError, match="training was interrupted"):
        evaluate.finished(tmp_path)


@pytest.mark.slow
def test_a_fresh_process_audits_and_puts_the_flags_on_the_card(run_dir, run_script):
    script = ["examples/evaluate.py", "--run_dir", run_dir, "--limit", "20"]
    options = ["--attacks", "pgd10", "--audit", "--audit_examples", "10", "--card"]
    done = run_script(*script, *options)
    assert done.returncode in (1, 2), done.stderr
    report = json.loads((run_dir / "audit.json").read_text())
    assert report["exit_code"] == done.returncode and len(report["checks"]) == 38
    assert f"audit {report['verdict']}" in done.stdout.split("worst case")[1]
    stopped = [c for c in report["checks"] if c["found"].startswith("stopped by")]
    assert not stopped
    card = json.loads((run_dir / "card.json").read_text())
    assert card["audit"]["verdict"] == report["verdict"]
    assert card["audit"]["sha256"] == card["results"][0]["sha256"]


@pytest.mark.slow
def test_the_classifier_behind_a_saturation_is_audited_with_the_head_in_front(
    tiny, tmp_path, run_script
):
    given = {"saturation": [0.3, 0.7], "epochs": 1, "epsilon": 0.2}
    train.train(settings.resolve(tiny | given), tmp_path)
    script = ["examples/evaluate.py", "--run_dir", tmp_path, "--limit", "10"]
    done = run_script(*script, "--attacks", "pgd10,behind", "--audit")
    assert done.returncode in (1, 2), done.stderr
    report = json.loads((tmp_path / "audit.json").read_text())
    (path,) = tmp_path.glob("evaluation-*.json")
    stored = json.loads(path.read_text())
    assert report["result"]["stages"] == stored["stages"]
    (about,) = [c for c in report["checks"] if c["check"] == "C33"]
    assert "attacks break" in about["found"]


def test_an_evaluation_is_kept_when_its_audit_cannot_be_made(run_dir, run_script):
    before = set(run_dir.glob("evaluation-*.json"))
    script = ["examples/evaluate.py", "--run_dir", run_dir, "--limit", "10"]
    done = run_script(*script, "--attacks", "fgsm", "--audit", "--twins", "plain")
    assert done.returncode == 1 and "`twins` must be name=path" in done.stderr
    assert len(set(run_dir.glob("evaluation-*.json")) - before) == 1


@pytest.fixture(scope="module")
def atld_dir(tiny, tmp_path_factory):
    """A finished run with a discriminator."""
    folder = tmp_path_factory.mktemp("atld")
    given = {k: v for k, v in tiny.items() if k != "steps"}
    train.train(
        settings.resolve(given | {"strategy": "atld", "epochs": 1, "warmup_epochs": 0}),
        folder,
    )
    return folder


@pytest.mark.slow
def test_dynamic_inference_is_attacked_through_it_and_inside(atld_dir, run_script):
    script = ["examples/evaluate.py", "--run_dir", atld_dir, "--limit", "20"]
    done = run_script(*script, "--attacks", "fgsm", "--inference", "imt_plus", "--card")
    assert done.returncode == 0, done.stderr
    assert "| FGSM |" in done.stdout and "| FGSM, transferred |" in done.stdout
    (path,) = atld_dir.glob("evaluation-*.json")
    assert json.loads(path.read_text())["flags"]["inference"] == "imt_plus"
    card = json.loads((atld_dir / "card.json").read_text())
    assert card["architecture"]["layers"] == {"AdversarialModel": 1}


def test_inference_needs_a_discriminator(run_dir):
    with pytest.raises(ValueError, match="`inference` imt needs model.keras of a run"):
        inference.predictor(run_dir, "imt")
    with pytest.raises(ValueError, match="`inference` must be one of plain"):
        inference.predictor(run_dir, "atld")
    assert inference.predictor(run_dir) == run_dir / "classifier.keras"
