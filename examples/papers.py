"""What the papers print, number by number, and which of it cannot be right.

    python examples/papers.py --table mpat-2    # without --table: which there are
    papers.value("mpat-2", "TLA", "PGD10", dataset="cifar10")    # (52.31, None)

papers/*.json have the numbers as printed, null where there is none. A doubt says why a
number cannot be right, or is not what its column says; its "*" stands for all names.
"""

import difflib
import functools
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from absl import app, flags


@dataclass(frozen=True)
class PaperTable:
    """A published table, its caption in our words.

    Attributes:
        threat: "norm"; "epsilon", a text by data set; "attacks", a text by column.
        unit: by column: "%", "points" (of per cent), "ratio", "min", ...
        rows: "method", "dataset" (None: not said), "values" by column (Decimal, None).
        doubts: "method", "dataset", "column", "why".
    """

    id: str
    source: str
    caption: str
    dataset: str | None
    threat: dict[str, Any]
    unit: dict[str, str]
    columns: list[str]
    rows: list[dict[str, Any]]
    doubts: list[dict[str, str]]


def tables() -> list[str]:
    """The ids of all tables."""
    return list(_read())


def table(id: str) -> PaperTable:
    """The table of this id. Unknown ones raise ValueError, which names the nearest."""
    return _chosen("table", id, _read())


def has(table_: str, method: str | None, dataset: str | None) -> bool:
    """Whether a table has a row of this method on this data set."""
    rows = table(table_).rows
    return (method, dataset) in {(row["method"], row["dataset"]) for row in rows}


def value(table: str, method: str, column: str, dataset: str | None = None) -> tuple:
    """(A published number or None, why it cannot be right or None).

    `dataset` is needed where a method has several. Unknown names raise ValueError."""
    found = _chosen("table", table, _read())
    _chosen("method", method, {row["method"]: row for row in found.rows})
    rows = {row["dataset"]: row for row in found.rows if row["method"] == method}
    if dataset is None and len(rows) == 1:
        (dataset,) = rows
    row = _chosen("dataset", dataset, rows)
    number = _chosen("column", column, row["values"])
    why = " ".join(found.doubts[i]["why"] for i in _doubted(found, row, column))
    return None if number is None else float(number), why or None


def markdown(table: str) -> str:
    """The table for reading: doubted numbers have marks, the reasons stand below."""
    found = _chosen("table", table, _read())
    heads = ["method", "dataset", *(f"{c}, {found.unit[c]}" for c in found.columns)]
    lines = [heads, ["---"] * len(heads)]
    for row in found.rows:
        lines.append([row["method"], row["dataset"] or "–"])
        for column, number in row["values"].items():
            marks = "".join(f" [{i + 1}]" for i in _doubted(found, row, column))
            lines[-1].append("–" if number is None else f"{number}{marks}")
    epsilon = ", ".join(f"{v} ({k})" for k, v in found.threat["epsilon"].items())
    attacks = " ".join(f"{k}: {v}." for k, v in found.threat["attacks"].items())
    about = f"*{found.id}*: {found.source}. {found.caption}\n\n{found.threat['norm']}, "
    reasons = [f"\n[{i}] {doubt['why']}\n" for i, doubt in enumerate(found.doubts, 1)]
    listed = [f"| {' | '.join(line)} |\n" for line in lines]
    return "".join([about, f"epsilon {epsilon}. {attacks}\n\n", *listed, *reasons])


def _doubted(found: PaperTable, row: dict[str, Any], column: str) -> list[int]:
    cell = {"method": row["method"], "dataset": row["dataset"], "column": column}
    numbered = enumerate(found.doubts if row["values"][column] is not None else [])
    return [i for i, d in numbered if all(d[k] in ("*", cell[k]) for k in cell)]


@functools.cache
def _read() -> dict[str, PaperTable]:
    folder, names = Path(__file__).parent, ("mpat", "tla", "atld", "autoattack")
    texts = [(folder / f"papers/{name}.json").read_text("utf-8") for name in names]
    # Decimals keep the digits that are printed: 51.60.
    files = [json.loads(t, parse_float=Decimal, parse_int=Decimal) for t in texts]
    return {given["id"]: PaperTable(**given) for file in files for given in file}


def _chosen(name: str, value: str | None, choices: dict) -> Any:
    """What `choices` has by that name. (keras_mpat.choices would import Keras.)"""
    if value in choices:
        return choices[value]
    names = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.4)
    fix = f"Did you mean {near[0]!r}?" if near else f"Pass {names[0]!r}."
    raise ValueError(
        f"`{name}` must be one of {', '.join(names)}. Received: {name}={value!r}. {fix}"
    )


def main(_) -> None:
    """Prints a table, or which there are."""
    print(markdown(flags.FLAGS.table) if flags.FLAGS.table else "\n".join(tables()))


if __name__ == "__main__":
    flags.DEFINE_string("table", None, "Id of the table. Default: lists them all.")
    app.run(main)
