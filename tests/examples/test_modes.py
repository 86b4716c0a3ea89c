"""examples/modes.py: its plan and data, its table, and that it resumes."""

import json
from types import SimpleNamespace

import modes
import modes_arms
import modes_plan
import modes_tables
import numpy as np
import pytest

import keras_mpat as mpat

PLAN = modes_plan.read_plan("cpu")


def test_the_plan_is_the_specification():
    assert PLAN.modes == (1, 2, 3, 5) and PLAN.seeds == tuple(range(8))
    assert PLAN.data["train_examples"] == 12_000 and PLAN.data["test_examples"] == 2000
    assert PLAN.tuning["head_weight"] == [0.1, 0.5, 1.0]
    assert PLAN.attacks["thorough"]["seeds"] == [0]
    assert PLAN.attacks["thorough"]["auto_attack"] == "standard"
    settings = [
        modes_arms.settings_of(PLAN, arm, modes=3, seed=1, weight=None).to_dict()
        for arm in modes_arms.arms_of(3).values()
    ]
    own = {"head", "prototypes_per_class", "merge_threshold"}
    for other in settings:
        assert (other["steps"], other["epsilon"], other["filters"]) == (
            10,
            0.3,
            [16, 32],
        )
        assert other["warmup_epochs"] and other["ema"] and other["select"] == "best"
        assert {n for n in other if other[n] != settings[0][n]} <= own
    assert [s["prototypes_per_class"] for s in settings[1:5]] == [1, 3, 10, 3]
    assert settings[3]["merge_threshold"] == 0.2


def test_runs_are_all_seeds_of_all_modes_and_tuning_has_its_own():
    tuning = modes.tuning_runs(PLAN)
    assert len(tuning) == 3 * (2 + 4 + 4 + 4)
    results = {name: {"validation": [0.1, 0.3]} for name in tuning}
    results["m5-merged-l0.5"] = {"validation": [0.5, 0.2]}
    weights = modes.chosen_weights(PLAN, results)
    assert weights.pop((5, "K = 10 merged")) == 0.5
    assert set(weights.values()) == {0.1} and len(weights) == 13  # equals: the smallest
    listed = modes.runs(PLAN, weights)
    assert len(listed) == 8 * (3 + 6 + 6 + 6)
    assert not {run.seed for run in tuning.values()} & {r.seed for r in listed.values()}
    assert listed["m2-oracle-s3"].weight is None and listed["m2-k_m-s3"].weight == 0.1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"modes": [6]}, r"`modes` must be digits.*modes=\[6\].*Correct plan.json"),
        ({"seeds": [1, 100]}, r"`seeds` must not.*seeds=\[1, 100\].*Correct plan.json"),
    ],
)
def test_a_wrong_plan_is_refused(tmp_path, changed, message):
    values = json.loads(modes_plan.PLAN.read_text())["modes"] | changed
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"modes": values}))
    with pytest.raises(ValueError, match=message):
        modes_plan.read_plan("cpu", path=path)


def test_wrong_flags_are_named():
    with pytest.raises(ValueError, match="`scale`.*gpu.*cpu is the whole plan"):
        modes_plan.read_plan("gpu")
    with pytest.raises(ValueError, match="`limit` must be at least 1.*limit=0.*Leave"):
        modes_plan.read_plan("cpu", limit=0)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_superclasses_are_disjoint_reproducible_and_differ_between_seeds(count):
    drawn = [modes_plan.partition_of(count, seed) for seed in range(8)]
    for first, second in drawn:
        assert len(first) == len(second) == count
        assert len({*first, *second}) == 2 * count
        assert {*first, *second} <= set(range(10))
    assert drawn == [modes_plan.partition_of(count, seed) for seed in range(8)]
    assert len(set(drawn)) > 1


def test_rows_are_balanced_and_come_twice_only_where_a_digit_has_too_few():
    digits = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [9, 3, 9, 9]))
    rows = modes_plan.balanced_rows(digits, [0, 1, 3], 14)
    assert np.bincount(digits[rows], minlength=4).tolist() == [4, 5, 0, 5]
    few = rows[digits[rows] == 1]
    assert sorted(np.bincount(few)[np.unique(few)]) == [1, 2, 2]
    assert len(set(rows[digits[rows] == 0])) == 4


def test_data_has_superclasses_and_modes_of_the_partition(shared_data):
    plan = modes_plan.read_plan("smoke")
    partition = modes_plan.partition_of(2, 0)
    data = modes_plan.data_of(partition, plan, data_dir=str(shared_data))
    assert [len(s.x) for s in (data.train, data.validation, data.test)] == [256, 32, 16]
    assert np.bincount(data.train.mode).tolist() == [64] * 4
    for split in (data.train, data.validation, data.test):
        assert np.array_equal(split.superclass, split.mode // 2)
    _, _, digits = mpat.datasets.arrays("mnist", "test", data_dir=str(shared_data))
    kept = digits[np.isin(digits, np.ravel(partition))][:16]
    assert np.ravel(partition)[data.test.mode].tolist() == kept.tolist()


def flags(tmp_path, **changed):
    given = {
        "run_dir": tmp_path / "runs",
        "results": tmp_path / "results",
        "data_dir": None,
        "scale": "smoke",
        "limit": None,
        "minutes": 1e9,
        "parts": 1,
        "part": 0,
    }
    return SimpleNamespace(**given | changed)


def outcome(run, settings, plan, folder, *, data_dir):
    """What `measure` gives, made up: the arm decides."""
    place = list(modes_arms.ARMS).index(run.name)
    robust = "1" * (6 + place) + "0" * (10 - place)
    values = {key: robust for key in ("clean", "autoattack", "robust")}
    if run.arm.head != "none":
        values["prototypes"] = {"nmi": 0.1 * place}
    return values


def tuned(run, settings, plan, folder, *, data_dir):
    return {"validation": [run.weight]}


def test_the_table_has_gain_fraction_and_nmi(tmp_path, monkeypatch):
    monkeypatch.setattr(modes, "measure", outcome)
    monkeypatch.setattr(modes, "tune", tuned)
    text = modes.compare(flags(tmp_path))
    assert (tmp_path / "results/table.md").read_text() == text
    row = next(line for line in text.splitlines() if line.startswith("| 2 | K = M"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:7] == ["0.5", "2", "50.00", "50.00", "50.00 (50.00)"]
    assert cells[7] == "+12.50" and cells[9:11] == ["0.5", "0.40"]
    assert cells[-1] == "0.20"
    assert (tmp_path / "results/fraction.png").stat().st_size > 1000
    assert (tmp_path / "results/nmi.png").stat().st_size > 1000
    chosen = json.loads((tmp_path / "results/lambda_1.json").read_text())
    assert chosen["M = 2, K = M"] == 0.5 and len(chosen) == 4


def test_thorough_attacks_stand_beside_the_same_images():
    plan = modes_plan.read_plan("smoke")
    shared = {"clean": "1111", "autoattack": "1100"}
    results = {
        (2, modes_arms.NONE, 0): {**shared, "robust": "1101", "thorough": "10"},
        (2, modes_arms.NONE, 1): {**shared, "robust": "1000"},
    }
    text = modes_tables.tables(results, plan, {})
    assert "| 2 | lambda_1 = 0 | 0 | 2 | 100.00 | 50.00 |" in text
    assert text.count("lambda_1 = 0 |") == 2  # one of the table, one of these


def test_gains_are_of_seeds_that_all_three_have():
    plan = modes_plan.read_plan("smoke")
    robust = {"robust": "10"}
    results = {(2, modes_arms.NONE, s): robust for s in (0, 1)}
    results |= {(2, "K = 1", s): {"robust": "11"} for s in (0, 1)}
    assert modes_tables.compared(results, plan, 2, "K = 1") is None
    results[2, modes_arms.ORACLE, 1] = {"robust": "11"}
    found = modes_tables.compared(results, plan, 2, "K = 1")
    assert found.fraction == 1.0 and found.p_value == 1.0  # of one seed
    assert modes_tables.compared(results, plan, 2, modes_arms.NONE) is None


def test_parts_wait_for_each_others_choices(tmp_path, monkeypatch):
    monkeypatch.setattr(modes, "measure", outcome)
    monkeypatch.setattr(modes, "tune", tuned)
    text = modes.compare(flags(tmp_path, parts=2, part=1))
    assert text.startswith("2 choices of lambda_1 are left; the same command")
    modes.compare(flags(tmp_path, parts=2, part=0))
    assert len(list((tmp_path / "results/cells").glob("*.json"))) == 6
    modes.compare(flags(tmp_path, parts=2, part=1))
    assert len(list((tmp_path / "results/cells").glob("*.json"))) == 12


def test_cells_of_another_limit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(modes, "measure", outcome)
    monkeypatch.setattr(modes, "tune", tuned)
    modes.compare(flags(tmp_path))
    with pytest.raises(ValueError, match="same settings.*Pass another folder"):
        modes.compare(flags(tmp_path, limit=3))


def test_a_run_trained_before_there_was_a_setting_is_taken(tmp_path, monkeypatch):
    plan = modes_plan.read_plan("smoke")
    arm = modes_arms.ARMS["K = 1"]
    own = modes_arms.settings_of(plan, arm, modes=2, seed=0, weight=0.5)
    before = {k: v for k, v in own.to_dict().items() if k != "rotation"}
    monkeypatch.setattr(modes_arms.keras.saving, "load_model", lambda *_, **__: "kept")
    for settings, refused in ((before, False), (before | {"epochs": 99}, True)):
        made_with = {"arm": arm.slug, "modes": 2, "settings": settings}
        text = json.dumps({"made_with": made_with, "epoch": 1})
        (tmp_path / "training.json").write_text(text)
        if refused:
            with pytest.raises(ValueError, match="trained with other settings"):
                modes_arms.trained(arm, own, 2, None, tmp_path)
        else:
            found = modes_arms.trained(arm, own, 2, None, tmp_path)
            assert found == ("kept", {"epoch": 1})


@pytest.fixture
def tiny_plan(monkeypatch):
    """One seed, three arms and 32 images: a trial of a trial."""
    smoke = modes_plan.read_plan
    names = (modes_arms.NONE, "shuffled prototypes", modes_arms.ORACLE)
    few = {name: modes_arms.ARMS[name] for name in names}

    def read(scale, **options):
        plan = smoke(scale, **options)
        data = {**plan.data, "train_examples": 128, "test_examples": 8}
        thorough = {**plan.attacks["thorough"], "seeds": [0]}
        own = {"data": data, "attacks": {**plan.attacks, "thorough": thorough}}
        return modes_plan.Plan(**{**plan.__dict__, "seeds": (0,), **own})

    monkeypatch.setattr(modes, "read_plan", read)
    for module in (modes, modes_tables):
        monkeypatch.setattr(module, "arms_of", lambda count: few)


@pytest.mark.slow
def test_a_killed_trial_continues(tmp_path, monkeypatch, tiny_plan, shared_data):
    attacked, trained = [], []
    real, train = modes.evaluate_robustness, modes_arms.model_of

    def dies_at_the_second(*arguments, **options):
        if options["state_dir"].name == "evaluation_state":
            attacked.append(options["state_dir"].parent.name)
            if len(attacked) == 2:
                raise KeyboardInterrupt
        return real(*arguments, **options)

    def counted(arm, *arguments):
        trained.append(arm.slug)
        return train(arm, *arguments)

    monkeypatch.setattr(modes, "evaluate_robustness", dies_at_the_second)
    monkeypatch.setattr(modes_arms, "model_of", counted)
    given = flags(tmp_path, data_dir=str(shared_data))
    with pytest.raises(KeyboardInterrupt):
        modes.compare(given)
    text = modes.compare(given)
    again = "m2-shuffled-s0"
    assert attacked == ["m2-none-s0", again, again, "m2-oracle-s0"]
    assert trained == ["shuffled", "none", "shuffled", "oracle"]  # tuning; none twice
    assert text.count("\n| 2 |") == 3 + 3  # thorough attacks have a table of their own
    cell = json.loads((tmp_path / f"results/cells/{again}.json").read_text())
    assert cell["n"] == len(cell["robust"]) == 8 and set(cell["robust"]) <= {"0", "1"}
    assert {"P2 similarities", "P4 prototypes"} <= cell["stages"].keys()
    assert 0 <= cell["prototypes"]["nmi"] <= 1
    assert len(cell["thorough"]) == 4  # the first ones, attacked once more
    assert "union of the thorough attacks" in text
    assert not list((tmp_path / "runs").rglob("*_state"))
    other = json.loads((tmp_path / "results/cells/m2-oracle-s0.json").read_text())
    assert list(other["stages"]) == ["AutoAttack-K quick"]
