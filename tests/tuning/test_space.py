"""Spaces: what is drawn, under which conditions, and what is refused."""

import itertools
import json

import keras_tuner
import pytest

from keras_mpat.tuning import DIMENSIONS, Range, SearchSpace, parse


def _draws(space, count=40, classes=2):
    hp = keras_tuner.HyperParameters()
    space.declare(hp, classes)
    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective("score", "max"),
        hyperparameters=hp,
        max_trials=count,
        seed=3,
    )
    for number in range(count):
        yield space.values(oracle.populate_space(str(number))["values"])


def test_by_default_the_two_knobs_of_the_paper_in_its_ranges():
    space = SearchSpace()
    assert space.tuned == ("head_weight", "prototypes_per_class")
    draws = list(_draws(space))
    weights = [draw["head_weight"] for draw in draws]
    counts = [draw["prototypes_per_class"] for draw in draws]
    assert 0.1 <= min(weights) < 0.3 and 1 < max(weights) <= 2
    assert min(counts) >= 1 and max(counts) <= 20
    # Logarithmic: half of the draws lie below the geometric mean.
    below = sum(weight < 0.1**0.5 * 2**0.5 for weight in weights)
    assert 10 <= below <= 30


def test_a_strategy_and_a_head_bring_their_own_hyper_parameters_only():
    space = SearchSpace(
        strategy=["pgd", "free"],
        head=["soft_triple", "none"],
        steps=Range(3, 10),
        replays=[4, 8],
        head_weight=[0.1, 1],
        tau=[0.1, 0.2],
    )
    seen = set()
    for draw in _draws(space):
        assert ("steps" in draw) == (draw["strategy"] == "pgd")
        assert ("replays" in draw) == (draw["strategy"] == "free")
        soft = draw["head"] == "soft_triple"
        assert ("head_weight" in draw) == ("tau" in draw) == soft
        seen.add((draw["strategy"], draw["head"]))
    assert len(seen) == 4


def test_one_range_per_class_gives_a_list_of_counts():
    space = SearchSpace(prototypes_per_class=Range(1, 4, per_class=True))
    draws = [draw["prototypes_per_class"] for draw in _draws(space, 12, classes=3)]
    assert all(len(counts) == 3 and min(counts) >= 1 for counts in draws)
    assert space.first(3) == {"prototypes_per_class": [1, 1, 1]}
    assert any(len(set(counts)) > 1 for counts in draws)
    with pytest.raises(ValueError, match="num_classes"):
        space.declare(keras_tuner.HyperParameters())


def test_the_papers_pairs_are_points_of_a_grid():
    space = SearchSpace(prototypes_per_class=["2/2", "3/4", 5], head_weight=0.5)
    values = [space.values(point)["prototypes_per_class"] for point in space.points()]
    assert values == [[2, 2], [3, 4], 5]


def test_a_grid_has_each_used_combination_once():
    space = SearchSpace(
        strategy=["pgd", "free"], steps=[3, 7], replays=[4, 8], head="none"
    )
    points = [tuple(point.items()) for point in space.points()]
    wanted = {("pgd", "steps", 3), ("pgd", "steps", 7)}
    wanted |= {("free", "replays", 4), ("free", "replays", 8)}
    assert {(p[0][1], *p[1]) for p in points} == wanted and len(points) == 4
    with pytest.raises(ValueError, match=r"`tau` must be a list for a grid"):
        list(SearchSpace(tau=Range(0.1, 1)).points())


def test_a_space_survives_json(tmp_path):
    space = SearchSpace(
        head_weight=Range(0.1, 2, "log"), prototypes_per_class=[1, 3], strategy="fast"
    )
    path = tmp_path / "space.json"
    path.write_text(json.dumps(space.to_dict()))
    again = SearchSpace.from_json(path)
    assert again.entries == space.entries and again.tuned == space.tuned


@pytest.mark.parametrize("name", DIMENSIONS)
def test_each_usual_range_is_one_that_the_checks_accept(name):
    needs = DIMENSIONS[name].needs
    parent = {} if needs is None else {needs[0]: needs[1][0]}
    space = SearchSpace(**{name: None}, **parent)
    assert space.tuned == (name,)
    assert name in space.first()
    assert all(name in draw for draw in itertools.islice(_draws(space, 3), 3))


@pytest.mark.parametrize(
    ("name", "text", "entry"),
    [
        ("head_weight", "0.5", 0.5),
        ("head_weight", "0.1,0.5", [0.1, 0.5]),
        ("head_weight", "0.1:2", Range(0.1, 2.0)),
        ("head_weight", "0.1:2:log", Range(0.1, 2.0, "log")),
        ("prototypes_per_class", "1,2,3", [1, 2, 3]),
        ("prototypes_per_class", "1:10", Range(1, 10)),
        ("prototypes_per_class", "1:10:per_class", Range(1, 10, per_class=True)),
        ("prototypes_per_class", "3/4", "3/4"),
        ("prototypes_per_class", "3/4,5", ["3/4", "5"]),
        ("strategy", "pgd,free", ["pgd", "free"]),
        ("head", "none", "none"),
        ("step_size", "2/255,0.1", [2 / 255, 0.1]),
    ],
)
def test_the_command_line_is_read(name, text, entry):
    assert parse(name, text) == entry
    assert type(parse(name, text)) is type(entry)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"headweight": 1}, r"Did you mean 'head_weight'"),
        ({"head_weight": []}, "at least one value"),
        ({"head_weight": [0.1, 0.1]}, "each value once"),
        ({"head_weight": -1}, ">= 0"),
        ({"prototypes_per_class": 0}, "whole number >= 1"),
        ({"prototypes_per_class": 2.5}, "whole number"),
        ({"prototypes_per_class": "3/0"}, "whole number"),
        ({"head_weight": {"low": 2}}, "low, high"),
        ({"head_weight": {"low": 2, "high": 1}}, "low < high"),
        ({"head_weight": {"low": 0, "high": 1, "sampling": "log"}}, "must be > 0"),
        ({"head_weight": {"low": 0, "high": 1, "sampling": "lg"}}, "sampling"),
        ({"head_weight": Range(1, 2, per_class=True)}, "one number for all classes"),
        ({"head": Range(1, 2)}, "list of names"),
        ({"head": "softriple"}, "Did you mean 'soft_triple'"),
        ({"steps": [3, 7], "strategy": "fast"}, "no effect with strategy=fast"),
        ({"head_weight": [1, 2], "head": "none"}, "no effect with head=none"),
        ({"tau": [1, 2], "head": ["n_pair", "triplet"]}, "no effect with head"),
        ({"learning_rate": float("nan")}, "> 0"),
        ({"learning_rate": True}, "> 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(entries, words):
    with pytest.raises(ValueError, match=words):
        SearchSpace(**entries)


@pytest.mark.parametrize("text", ["0.1:2:log:linear", "1/0", "a", "0.1;2", "", "1:b"])
def test_text_that_is_no_entry_is_refused(text):
    with pytest.raises(ValueError, match="`head_weight` must be"):
        parse("head_weight", text)


@pytest.mark.parametrize("text", ["", "[1]", "{'a': 1}"])
def test_a_file_that_is_no_space_is_refused(tmp_path, text):
    (tmp_path / "space.json").write_text(text)
    with pytest.raises(ValueError, match="`space` must be a JSON file"):
        SearchSpace.from_json(tmp_path / "space.json")


def test_numbers_per_class_are_by_class_whatever_order_they_come_in():
    space = SearchSpace(prototypes_per_class=Range(1, 40, per_class=True))
    drawn = {f"prototypes_per_class/{label}": 1 + label for label in range(12)}
    shuffled = dict(sorted(drawn.items(), reverse=True))
    assert space.values(shuffled) == {"prototypes_per_class": list(range(1, 13))}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("strategy", "pgd:free", "`strategy` must be one of"),
        ("head", "1:3", "`head` must be one of"),
        ("prototypes_per_class", "3/\u00b2", "`prototypes_per_class` must be a whole"),
        ("steps", "\u00b2", "`steps` must be a number, numbers with commas"),
    ],
)
def test_text_that_is_no_entry_is_named(name, text, words):
    with pytest.raises(ValueError, match=words):
        parse(name, text)
