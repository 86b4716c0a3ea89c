"""examples/papers.py: published numbers as printed, and those that cannot be right."""

import papers
import pytest

IDS = [*(f"mpat-{n}" for n in range(1, 9)), "mpat-fig3", "mpat-fig4", "mpat-text"]
IDS += ["tla-1", "tla-2", "tla-3", "tla-text", "tla-poster", "atld", "autoattack"]
RANGES = {
    "%": (0, 100),
    "points": (0, 20),
    "ratio": (0.5, 2),
    "min": (100, 3000),
    "of 4": (0, 4),
    "prototypes": (1, 20),
}
OURS, ACL = "Ours (PGD)", "Ours (PGD) + ACL"
GAIN = ("mpat-text", "gain of Ours (PGD)", "PGD10")
# What is claimed (table, row, column), and the two rows of a column that it is from.
CLAIMS = [
    (2.22, "cifar10_2", GAIN, ("mpat-3", OURS, "TLA", "PGD10")),
    (1.65, "cifar100_10", GAIN, ("mpat-3", OURS, "TLA", "PGD10")),
    (0.43, "tiny_imagenet", GAIN, ("mpat-3", OURS, "TLA", "PGD10")),
    (0.84, "cifar10", GAIN, ("mpat-2", OURS, "TLA", "PGD10")),
    (0.28, "mnist", ("tla-text", "section 5.1", "clean"), ("AT", "clean")),
    (1.86, "mnist", ("tla-text", "section 5.1", "attacked"), ("ALP", "20PGD")),
    (1.86, "mnist", ("tla-text", "caption of Table 1", "attacked"), ("ALP", "20PGD")),
    (1.10, "tiny_imagenet", ("tla-text", "section 5.1", "attacked"), ("AT", "20PGD")),
    (1.86, "mnist", ("tla-poster", "TLA over ALP", "attacked"), ("ALP", "20PGD")),
    (2.92, "mnist", ("tla-poster", "TLA over AT", "attacked"), ("AT", "20PGD")),
    (4.05, "cifar10", ("tla-poster", "TLA over ALP", "attacked"), ("ALP", "20PGD")),
    (4.82, "cifar10", ("tla-poster", "TLA over AT", "attacked"), ("AT", "20PGD")),
]
# Differences that the reasons of doubts name.
DIFFERENCES = [
    (4.96, "cifar10_2", ("mpat-3", OURS, "Fast-AT", "clean")),
    (1.76, "cifar10_2", ("mpat-3", OURS, "ACL", "clean")),
    (1.50, "cifar100_10", ("mpat-3", OURS, "PGD-AT", "clean")),
    (1.60, "cifar100_10", ("mpat-3", OURS, "TLA", "clean")),
    (-4.18, "cifar100_10", ("mpat-3", OURS, "ACL", "clean")),
    (5.14, "cifar10_2", ("mpat-7", "4/3", "3/3", "clean")),
    (4.05, "cifar10", ("tla-1", "TLA", "ALP", "20PGD")),
    (4.12, "cifar10", ("tla-1", "TLA", "ALP", "MIM")),
    (1.05, "tiny_imagenet", ("tla-1", "TLA", "AT", "C&W")),
]
# Numbers that are printed in two places: (table, row, column, data set) twice.
TWICE = [
    (("mpat-1", "Free-AT", "clean"), ("mpat-1", "Fast-AT", "clean")),
    (("mpat-2", "Free", "clean", "cifar10"), ("mpat-1", "Ours (Free)", "clean")),
    (("mpat-2", "Fast", "clean", "cifar10"), ("mpat-1", "Fast-AT", "clean")),
    (("mpat-5", "untargeted", "PGD10", "cifar10_2"), ("mpat-6", ACL, "PGD10")),
    (
        ("mpat-5", "untargeted", "PGD10", "cifar100_10"),
        ("mpat-3", ACL, "PGD10", "cifar100_10"),
    ),
    (("mpat-7", "3/4", "clean"), ("mpat-3", ACL, "clean", "cifar10_2")),
    (("mpat-7", "3/4", "PGD10"), ("mpat-3", ACL, "PGD10", "cifar10_2")),
    (("mpat-7", "3/3", "PGD10"), ("mpat-3", "ACL", "PGD10", "cifar10_2")),
    (("mpat-7", "4/3", "PGD10"), ("mpat-3", "ACL", "PGD10", "cifar10_2")),
    (
        ("mpat-8", "lambda_1 = 0.5", "PGD10", "cifar10"),
        ("mpat-2", ACL, "PGD10", "cifar10"),
    ),
    (
        ("mpat-8", "lambda_1 = 0.5", "PGD10", "cifar10_2"),
        ("mpat-3", ACL, "PGD10", "cifar10_2"),
    ),
]


def minus(data, table, first, second, column):
    one, other = (papers.value(table, m, column, data)[0] for m in (first, second))
    return round(one - other, 2)


def test_the_tables_that_there_are():
    assert papers.tables() == IDS


@pytest.mark.parametrize("id", IDS)
def test_every_row_has_every_number_of_its_table(id):
    table = papers.table(id)
    assert (table.id, table.threat["norm"]) == (id, "Linf")
    assert list(table.unit) == table.columns and table.source and table.caption
    assert set(table.threat["attacks"]) <= {*table.columns}
    names = [(row["method"], row["dataset"]) for row in table.rows]
    assert len({*names}) == len(names) > 0
    data = {row["dataset"] for row in table.rows}
    assert data == {table.dataset} or table.dataset is None and len(data) > 1
    assert set(table.threat["epsilon"]) == data - {None}
    for row in table.rows:
        assert list(row["values"]) == table.columns
        for column, number in row["values"].items():
            low, high = RANGES[table.unit[column]]
            assert number is None or low <= number <= high


@pytest.mark.parametrize("id", IDS)
def test_every_doubt_is_about_a_number_of_its_table(id):
    table = papers.table(id)
    for doubt in table.doubts:
        cells = [
            (row, column)
            for row in table.rows
            for column, number in row["values"].items()
            if doubt["method"] in ("*", row["method"])
            and doubt["dataset"] in ("*", row["dataset"])
            and doubt["column"] in ("*", column)
            and number is not None
        ]
        assert cells and doubt["why"].endswith(".")
        for row, column in cells:
            found = papers.value(id, row["method"], column, row["dataset"])
            assert found[0] == float(row["values"][column])
            assert doubt["why"] in found[1]


@pytest.mark.parametrize("gain, data, claim, rows", CLAIMS)
def test_what_a_paper_claims_is_in_its_tables(gain, data, claim, rows):
    rows = rows if len(rows) == 4 else ("tla-1", "TLA", *rows)
    assert papers.value(*claim, data) == (gain, None)
    assert minus(data, *rows) == gain


@pytest.mark.parametrize("difference, data, rows", DIFFERENCES)
def test_differences_that_reasons_name(difference, data, rows):
    assert minus(data, *rows) == difference


@pytest.mark.parametrize("doubted, other", TWICE)
def test_numbers_that_stand_in_two_places_are_doubted(doubted, other):
    number, why = papers.value(*doubted)
    assert number == papers.value(*other)[0]
    assert why


@pytest.mark.parametrize("id", ["mpat-1", "mpat-4", "mpat-6"])
def test_one_step_that_leaves_far_more_than_ten_is_doubted(id):
    for row in papers.table(id).rows:
        one, why = papers.value(id, row["method"], "FGSM", row["dataset"])
        assert one - papers.value(id, row["method"], "PGD10", row["dataset"])[0] > 18
        assert "2/255" in why


def test_targets_among_two_classes_are_doubted_and_among_ten_are_not():
    for target in ("least likely", "next label", "random"):
        row = ("mpat-5", f"targeted ({target})", "PGD10")
        assert "must be 63.33" in papers.value(*row, "cifar10_2")[1]
        assert papers.value(*row, "cifar100_10")[1] is None


def test_a_bounded_cw_that_is_weaker_than_pgd_is_doubted():
    for row in papers.table("mpat-4").rows:
        cell = ("mpat-4", row["method"])
        numbers = [papers.value(*cell, c, row["dataset"]) for c in ("CW", "PGD10")]
        assert numbers[0][0] > numbers[1][0] and numbers[0][1] and not numbers[1][1]
        assert ("two classes" in numbers[0][1]) == (row["dataset"] == "cifar10_2")


def test_nets_that_stand_in_several_tables_have_the_same_numbers_there():
    pairs = [("cifar10", "mpat-2"), ("cifar10_2", "mpat-3")]
    for row in papers.table("mpat-4").rows:
        other = dict(pairs)[row["dataset"]]
        for column in ("clean", "PGD10"):
            number = papers.value(other, row["method"], column, row["dataset"])[0]
            assert number == float(row["values"][column])
    for method, same in (("Triplet loss", "TLA"), (ACL, ACL)):
        for column in papers.table("mpat-6").columns:
            number = papers.value("mpat-6", method, column)[0]
            assert number == papers.value("mpat-4", same, column, "cifar10_2")[0]


def test_mnist_rows_are_doubted_for_the_reach_of_the_steps_and_for_missing_weights():
    for method in ("RoCL", "ACL", ACL):
        assert "MNIST" in papers.value("mpat-2", method, "clean", "mnist")[1]
    assert "0.1 at most" in papers.value("mpat-2", OURS, "PGD10", "mnist")[1]
    assert "96.58" in papers.value("mpat-2", "PGD-AT", "PGD10", "mnist")[1]
    assert papers.value("tla-1", "AT", "PGD, fewer steps", "mnist") == (96.58, None)
    assert papers.value("mpat-2", OURS, "clean", "mnist") == (99.16, None)


def test_markdown_prints_what_is_printed_and_says_why_it_is_doubted():
    lines = papers.markdown("mpat-1").splitlines()
    assert "| PGD-AT | cifar10 | 83.77 | 78.37 [1] | 51.60 | 50.40 | 2895 |" in lines
    assert "[2] Fast-AT has the same 85.29, and Table 2 prints 85.01 for this" in (
        "\n".join(lines)
    )
    assert "| UM | mnist | 99.20 | 34.48 | 0 | 0 |" in papers.markdown("tla-1")
    assert "| ACL | tiny_imagenet | – | – |" in papers.markdown("mpat-3")
    assert "8/255 (cifar100_10), 4/255 (tiny_imagenet)" in papers.markdown("mpat-3")
    assert papers.value("mpat-3", "ACL", "clean", "tiny_imagenet") == (None, None)


@pytest.mark.parametrize(
    "names, message",
    [
        (("mpat_2", "TLA", "PGD10"), "`table` must be one of .*Did you mean 'mpat-2'"),
        (("mpat-1", "PGD-TA", "PGD10"), "`method` must .*Did you mean 'PGD-AT'"),
        (("mpat-1", "PGD-AT", "PGD-10"), "`column` must .*Did you mean 'PGD10'"),
        (("mpat-2", "TLA", "PGD10", "cifar-10"), "`dataset` .*Did you mean 'cifar10'"),
        (("mpat-2", "TLA", "PGD10"), "Received: dataset=None. Pass 'mnist'"),
        (("mpat-1", "PGD-AT", "PGD10", "mnist"), "must be one of cifar10. Received"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(names, message):
    with pytest.raises(ValueError, match=message):
        papers.value(*names)


def test_the_script_needs_neither_keras_nor_tensorflow(run_script):
    code = "import sys, papers; papers.markdown('tla-1'); print(*sys.modules)"
    process = run_script("-c", code)
    assert process.returncode == 0, process.stderr
    assert "papers" in process.stdout.split()
    assert not {"keras", "tensorflow", "keras_mpat"} & {*process.stdout.split()}
    process = run_script("examples/papers.py", "--table", "mpat-5")
    assert process.stdout.startswith("*mpat-5*: Khan et al. (MPAT)"), process.stderr
    assert run_script("examples/papers.py").stdout.split() == IDS
