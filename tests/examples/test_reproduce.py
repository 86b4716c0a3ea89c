"""examples/reproduce.py: its tables against the papers', its pages, and small runs."""

import json
import types

import compare_systems
import modes
import numpy as np
import papers
import pytest
import reproduce
import reproduced_latent
import reproduced_table
import reproduction
from modes_plan import PLAN
from reproduced_latent import VIEWS
from reproduction import METHODS, SCALES, TABLES

import keras_mpat as mpat
from keras_mpat.evaluation import RobustnessResult

ELSEWHERE = {"clean", "transfer", "20 x PGD-100", "AutoAttack"}


@pytest.mark.parametrize("name", TABLES)
def test_rows_and_columns_are_those_of_the_paper(name):
    """No number of the paper is left out by a slip, and each of ours can be made."""
    table = TABLES[name]
    paper = papers.table(table.paper) if table.paper else None
    attacks = reproduction.white_box(mpat.Linf(0.3)).keys() | ELSEWHERE
    rows = [row for _, row in table.rows if row is not None]
    assert set(table.methods) <= set(METHODS)
    for pairs in table.datasets.values():
        for dataset, theirs in pairs:
            for method in table.methods:
                reproduction.resolve(dataset, method, 0, "full")
            if paper is None:
                continue
            known = {row["method"] for row in paper.rows if row["dataset"] == theirs}
            if name != "mpat-fig3":  # a picture
                assert set(rows) == known
                for column in paper.columns:
                    if column != "training time":  # "minutes"
                        assert column in {theirs for _, theirs in table.columns}
    ours = {a for a, _ in table.rows} if table.by_attack else set()
    assert ours | {attack for attack, _ in table.columns} <= attacks


def test_the_plan_is_what_is_run():
    plan = json.loads(PLAN.read_text())["tables"]
    scale = SCALES["cpu"]
    assert plan["training"] == scale.settings
    sizes = (scale.limit, scale.restarted, scale.hard)
    assert tuple(plan["test_images"].values()) == sizes
    assert plan["names"] == list(TABLES)
    used = {data for table in TABLES.values() for data, _ in table.datasets["cpu"]}
    assert used == set(plan["data"])


def test_scales_change_what_they_say():
    small = reproduction.resolve("mnist", "MPAT + ACL", 3, "smoke")
    assert (small.filters, small.epochs, small.seed) == ([2, 4], 1, 3)
    assert (small.pretrain, small.head) == ("acl", "soft_triple")
    cpu = reproduction.resolve("mnist_2", "Free", 0, "cpu")
    assert (cpu.epochs, cpu.pretrain, cpu.train_examples) == (2, None, None)
    full = reproduction.resolve("cifar10_2", "MPAT, K = 3/4", 0, "full")
    assert (full.epochs, full.model, full.prototypes_per_class) == (
        120,
        "resnet18",
        [3, 4],
    )
    names = {
        (run[0], run[1], run[2], json.dumps(run[3].to_dict()))
        for table in TABLES.values()
        for run in reproduce.runs(table, "cpu", [0]).values()
    }
    files = {name for t in TABLES.values() for name in reproduce.runs(t, "cpu", [0])}
    assert len(names) == len(files)  # a file is one training, whatever the table


def _cell(share, minutes=2.0):
    attacks = [*reproduction.white_box(mpat.Linf(0.3)), *sorted(ELSEWHERE)]
    attacked = {name: [share, 100] for name in attacks}
    return {"attacked": attacked, "minutes": minutes}


def _verdicts(folder, dataset, method, seed, robust):
    """A file of verdicts for 100 images, the first `robust` of which withstand."""
    flags = np.arange(100) < robust
    result = RobustnessResult(np.ones(100, bool), flags, (), 0.0, 0)
    path = reproduced_table.verdicts(
        folder, reproduced_table.run_name(dataset, method, seed)
    )
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(result.to_dict()))


def test_a_page_has_both_numbers_and_says_better_only_with_a_reason(tmp_path):
    found = {}
    for method, robust in (("PGD-AT", 60), ("MPAT", 90), ("TLA", 62)):
        for seed in range(3):
            found["mnist", method, seed] = _cell((robust + seed) / 100)
            _verdicts(tmp_path, "mnist", method, seed, robust + seed)
    text = reproduced_table.markdown("mpat-2", "cpu", found, tmp_path)
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert "94.93* / 91.0 (90.0) | 3 | 91.0 (90.0) | 87.2 to 93.7" in lines["MPAT"]
    assert "+30.0, p = " in lines["MPAT"] and "better" in lines["MPAT"]
    assert "+2.0, p = 0.12: undecided" in lines["TLA"]
    assert "RoCL" not in lines  # no run of it is finished
    assert "| – | 2.0 |" in lines["PGD-AT"]


def test_pictures_of_what_has_a_number(tmp_path):
    found = {
        ("mnist_2", f"MPAT, K = {k}", s): _cell(0.5 + k / 100 + s / 50)
        for k in (1, 2, 10)
        for s in (0, 1)
    }
    path = tmp_path / "fig3.svg"
    reproduced_table.draw("mpat-fig3", "cpu", found, path)
    assert "prototypes per class" in path.read_text()
    reproduced_table.draw("mpat-2", "cpu", found, tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()


def test_costs_are_drawn_and_their_front_is_named(tmp_path):
    """Fast is cheap, TRADES good; PGD is dearer than Free and no better."""
    minutes = {"Fast": 1.0, "Free": 2.0, "PGD-AT": 4.0, "MPAT": 3.0, "TRADES": 9.0}
    shares = {"Fast": 0.5, "Free": 0.7, "PGD-AT": 0.7, "MPAT": 0.8, "TRADES": 0.9}
    found = {
        ("mnist", method, seed): _cell(shares[method] + seed / 100, minutes[method])
        for method in minutes
        for seed in (0, 1)
    }
    for method, seed in [key[1:] for key in found]:
        _verdicts(tmp_path, "mnist", method, seed, round(100 * shares[method]))
    text = reproduced_table.markdown("cost", "cpu", found, tmp_path)
    assert "Best for their minutes on mnist: Fast, Free, MPAT, TRADES." in text
    assert "paper / ours" not in text.partition("## mnist")[2]
    points = reproduced_table.costs("mnist", found)
    assert {p.group for p in points if "MPAT" in p.name} == {"PGD, with head"}
    assert points[0].accuracy == 50.5 and points[0][-2:] == (50, 51)
    reproduced_table.draw("cost", "cpu", found, tmp_path / "cost.svg")
    drawn = (tmp_path / "cost.svg").read_text()
    assert "minutes of training" in drawn and "mnist, AutoAttack" in drawn


def _given(tmp_path, table, **more):
    given = {"table": table, "scale": "smoke", "seeds": ["0"], "data_dir": None}
    given |= {"results": tmp_path / "results", "run_dir": tmp_path / "runs"}
    given |= {"minutes": 1e9, "parts": 1, "part": 0}
    return types.SimpleNamespace(**given | more)


def test_wrong_names_are_told_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match="`table` must be one of mpat-1"):
        reproduce.reproduce(_given(tmp_path, "mpat-9"))
    with pytest.raises(ValueError, match="`scale` must be one of smoke"):
        reproduce.reproduce(_given(tmp_path, "mpat-2", scale="gpu"))
    with pytest.raises(ValueError, match="`seeds` must be integers"):
        reproduce.reproduce(_given(tmp_path, "mpat-2", seeds=["a"]))
    assert not list(tmp_path.iterdir())


def test_what_the_poster_claims_stands_beside_what_is_gained(tmp_path):
    shares = {"PGD-AT": 0.5, "ALP": 0.56, "TLA": 0.55}
    found = {
        ("mnist", method, seed): _cell(share + 0.02 * seed * (method == "TLA"))
        for method, share in shares.items()
        for seed in (0, 1)
    }
    for method, seed in [key[1:] for key in found]:
        _verdicts(tmp_path, "mnist", method, seed, 50)
    text = reproduced_table.markdown("tla-poster", "cpu", found, tmp_path)
    assert "| TLA over ALP | 1.86 / +0.00 (-1.00) | 2 |" in text
    assert "| TLA over AT | 2.92 / +6.00 (+5.00) | 2 |" in text
    assert "beside tla-fig5's" in text


def _latent(share: float) -> dict:
    """A cell of reproduced_latent.py, made up."""
    here = {"r": 1 + share, "clean_accuracy": 0.9, "robust_accuracy": share}
    here["knn"] = {"clean": 0.9, "attacked": share}
    cell = {
        "small": here,
        "large": here,
        "retrieved": {"clean": 1.0, "attacked": share},
    }
    kinds = ("", ", unaware, first", ", adaptive, first")
    return cell | {f"detection{kind}": {"auc": share} for kind in kinds}


@pytest.mark.parametrize("name", VIEWS)
def test_views_of_the_latent_space(name, tmp_path):
    view = VIEWS[name]
    data = view.data[0]
    found = {
        (data, method, seed): _latent(0.5 + seed / 4)
        for method, _ in view.rows
        for seed in (0, 1)
    }
    method = view.rows[0][0]
    for picture in view.pictures:
        folder = tmp_path / "pictures" / reproduced_table.run_name(data, method, 0)
        folder.mkdir(parents=True)
        (folder / f"{picture}.png").write_bytes(b"a picture")
    text = reproduced_latent.markdown(name, "cpu", found, tmp_path)
    assert text.count("| 2 |") == len(view.rows)
    assert text.count("![") == len(view.pictures)
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    if name == "tla-2":
        assert "| 1.810 / 1.625 (1.500) |" in rows["TLA"]
        assert "1.625 (1.500) | 1.625" in rows["MPAT"]  # of which no paper says any
    if name == "mpat-fig4":
        assert "4.00 / 4.00 (4.00) | 2.00 / 2.50 (2.00)" in rows["TLA"]


def test_views_share_the_runs_of_tables_but_for_those_of_another_radius():
    large = reproduced_latent.runs(VIEWS["tla-2"], "cpu", [0])
    table = reproduce.runs(TABLES["tla-1"], "cpu", [0])
    shared = large.keys() & table.keys()
    assert {large[name][1] for name in shared} == {
        row[0] for row in VIEWS["tla-2"].rows
    }
    assert all(large[name] == table[name] for name in shared)
    small = reproduced_latent.runs(VIEWS["tla-fig5"], "cpu", [0])
    assert small["mnist-tla-s0-small"][-1].epsilon == 0.03
    assert "mnist-standard-s0" in small
    full = reproduced_latent.runs(VIEWS["tla-fig5"], "full", [0])
    assert full["cifar10-tla-s0"][-1].epsilon == "8/255"


def test_scripts_of_their_own_get_the_scale(tmp_path, monkeypatch):
    asked = {}
    for module in (compare_systems, modes):
        monkeypatch.setattr(
            module, "compare", lambda given, m=module: asked.update({m: given})
        )
    for name in ("atld", "modes"):
        reproduce.reproduce(_given(tmp_path, name))
    systems, hidden = asked[compare_systems], asked[modes]
    assert (systems.epochs, systems.limit, systems.dataset) == (1, 16, "mnist")
    assert systems.results == tmp_path / "results/smoke/atld"
    assert (hidden.scale, hidden.limit) == ("smoke", None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all tables, which share runs."""
    return tmp_path_factory.mktemp("reproduced")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*VIEWS, "atld", "modes"])
def test_other_pages_at_the_smallest_scale(name, folder, shared_data):
    given = {"data_dir": str(shared_data)}
    text = reproduce.reproduce(_given(folder, name, **given))
    again = reproduce.reproduce(_given(folder, name, minutes=0.0, **given))
    assert again == text and "|" in text
    if name in VIEWS:
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        assert len(rows) == 2 + len(VIEWS[name].rows)
        assert text.count("![") == len(VIEWS[name].rows) * len(VIEWS[name].pictures)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_each_table_at_the_smallest_scale(name, folder, shared_data):
    given = {"data_dir": str(shared_data)}
    table = TABLES[name]
    text = reproduce.reproduce(_given(folder, name, **given))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    if name != "tla-poster":  # which has a table of its claims below
        made = len(table.rows)
        if not table.by_attack:
            made = len({row for row, _ in table.rows} & _trained(table))
        assert len(rows) == len(table.datasets["smoke"]) * (2 + made)
    # What is finished is not made again.
    assert reproduce.reproduce(_given(folder, name, minutes=0.0, **given)) == text
    files = {file.stem for file in (folder / "results/smoke/runs").iterdir()}
    assert reproduce.runs(table, "smoke", [0]).keys() <= files


def _trained(table) -> set[str]:
    """Methods that a trial trains; other tables may have trained more of its rows."""
    return {run[1] for run in reproduce.runs(table, "smoke", [0]).values()}
