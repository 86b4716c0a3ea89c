"""A comparison made of cells: one small file for each that is finished.

    cells = [Cell("00-s0", "no head", {"settings": {...}}), ...]
    run(cells, measure, folder, minutes=95, parts=2, part=0)
    finished(folder, cells)     # {"00-s0": {...}, ...}

The same call continues after an interruption, and processes of other parts share the
cells. A file says what it was made with; one of other settings is refused at once.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import flags
from run_directory import differing

from keras_mpat import keep_memory
from keras_mpat.evaluation import compare as paired_tests
from keras_mpat.evaluation import wilson_interval
from keras_mpat.files import write_json


@dataclass(frozen=True)
class Cell:
    """One figure to be measured.

    Attributes:
        name: of its file.
        title: what it is, in words.
        identity: JSON values that decide its outcome; its file holds them, too.
    """

    name: str
    title: str
    identity: dict[str, Any]


def run(
    cells: Sequence[Cell],
    measure: Callable[[Cell], dict[str, Any]],
    folder: Path,
    *,
    minutes: float = 1e9,
    parts: int = 1,
    part: int = 0,
) -> None:
    """Measures the cells that have no file yet, one after the other.

    Args:
        cells: all of the comparison, in order.
        measure: what a cell's file shall hold besides its identity.
        folder: of the files.
        minutes: no cell is begun after that time.
        parts: processes that share the cells.
        part: which of them this one is, counted from 0.

    Raises:
        ValueError: `part` is no part, or the folder has cells of other settings.
    """
    mine = pending(cells, folder, parts, part)
    folder.mkdir(parents=True, exist_ok=True)
    for cell in in_turn(mine, minutes):
        write_json(_file(folder, cell), cell.identity | measure(cell))


def pending(
    cells: Sequence[Cell], folder: Path, parts: int, part: int
) -> Sequence[Cell]:
    """Those of one process that have no file yet.

    Raises:
        ValueError: `part` is no part, or the folder has cells of other settings.
    """
    mine, done = shared(cells, parts, part), finished(folder, cells)
    return [cell for cell in mine if cell.name not in done]


def shared(cells: Sequence[Cell], parts: int, part: int) -> Sequence[Cell]:
    """Those of one process.

    Raises:
        ValueError: `part` is no part.
    """
    if part >= parts:
        raise ValueError(
            f"`part` must be below `parts`. Received: part={part}, parts={parts}. "
            "Parts are counted from 0."
        )
    return cells[part::parts]


def in_turn(mine: Sequence[Cell], minutes: float) -> Iterator[Cell]:
    """One cell after the other, with the time left; none after so many minutes."""
    begun, spent = time.perf_counter(), []
    for number, cell in enumerate(mine):
        if time.perf_counter() - begun > 60 * minutes:
            print(f"{minutes} minutes are over; the same command continues.")
            break
        left = len(mine) - number
        rest = f"about {statistics.mean(spent) * left / 60:.0f} min" if spent else "?"
        print(f"{cell.name} {cell.title}: {left} cells left, {rest}", flush=True)
        start = time.perf_counter()
        yield cell
        spent.append(time.perf_counter() - start)


def finished(folder: Path, cells: Sequence[Cell]) -> dict[str, dict[str, Any]]:
    """What the files of the finished cells hold, by the name of the cell.

    Raises:
        ValueError: a file of other settings.
    """
    return {
        cell.name: _read(_file(folder, cell), cell.identity)
        for cell in cells
        if _file(folder, cell).exists()
    }


def finish(
    cells: Sequence[Cell],
    measure: Callable[[Cell], dict[str, Any]],
    folder: Path,
    given: Any,
) -> dict[str, dict[str, Any]]:
    """`run` with the `minutes`, `parts` and `part` of the flags, then `finished`."""
    shares = {"minutes": given.minutes, "parts": given.parts, "part": given.part}
    run(cells, measure, folder, **shares)
    return finished(folder, cells)


def only_train(
    cells: Sequence[Cell], train: Callable[[Cell], Any], folder: Path, given: Any
) -> str:
    """Trains what `finish` would measure, perhaps on another machine; says so."""
    mine = pending(cells, folder, given.parts, given.part)
    for cell in in_turn(mine, given.minutes):
        train(cell)
    return "Trained; the same command without --only_train attacks.\n"


def define_flags(*, run_dir: str, results: str) -> None:
    """The flags that all comparisons have, with these folders by default."""
    flags.DEFINE_string("run_dir", run_dir, "Folder of the runs, one per cell.")
    flags.DEFINE_string("results", results, "Folder of the figures.")
    flags.DEFINE_string("data_dir", None, "Folder of prepared data sets.")
    flags.DEFINE_float("minutes", 1e9, "Begins no cell after so many minutes.")
    flags.DEFINE_integer("parts", 1, "Processes that share the cells.", lower_bound=1)
    flags.DEFINE_integer("part", 0, "Which of them this one is.", lower_bound=0)


def say(compare: Callable[[Any], str], other: type[Exception] = ImportError) -> None:
    """Prints what the comparison returns for the flags, or ends with its error.

    Args:
        compare: from the flags to a page.
        other: an error that is the user's, besides a wrong value and a missing file.
    """
    keep_memory()
    try:
        print(compare(flags.FLAGS))
    except (ValueError, FileNotFoundError, other) as error:
        sys.exit(f"error: {error}")


def integers(name: str, texts: Sequence[str]) -> list[int]:
    """The whole numbers of a flag that is a list.

    Raises:
        ValueError: one that is none.
    """
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise ValueError(
            f"`{name}` must be integers. Received: {name}={','.join(texts)}. Pass "
            f"{name}=0,1,2."
        ) from None


def mean_and_worst(shares: Sequence[float]) -> str:
    """In per cent, over the seeds, the worst in brackets."""
    values = [100 * share for share in shares]
    return f"{statistics.mean(values):.1f} ({min(values):.1f})"


def pooled_interval(right: int, n: int) -> str:
    """Wilson's interval of a share over the images of all seeds, in per cent."""
    low, high = wilson_interval(right, n)
    return f"{100 * low:.1f} to {100 * high:.1f}"


def gained(first: Sequence, second: Sequence, names: tuple[str, str]) -> str:
    """What the first method withstands more, and whether that is decided.

    Args:
        first, second: verdicts of two methods, one per seed, on the same images.
        names: of the two.
    """
    tested = paired_tests(first, second, names=names)
    mean = 100 * statistics.mean(tested.differences)
    return f"{mean:+.1f}, p = {tested.p_value:.2g}: {tested.verdict}"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table, its head first."""
    head, *rows = lines
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, _rule(head), *rows))


def _rule(head: Sequence[str]) -> list[str]:
    return ["---"] * len(head)


def changed(found: dict[str, Any], identity: dict[str, Any]) -> str | None:
    """The first name whose value in `found` is another; `None`: it is the same run.

    Settings that are missing count as not given: there were fewer once.
    """
    for name, value in json.loads(json.dumps(identity)).items():
        old = found.get(name)
        both = isinstance(value, dict) and isinstance(old, dict)
        if differing(old, value) if both else old != value:
            return name
    return None


def _read(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    name = changed(found, identity)
    if name is not None:
        raise ValueError(
            "`results` must be a new folder or hold cells of the same settings. "
            f"Received: {path}, whose {name} differ. Pass another folder."
        )
    return found


def _file(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.name}.json"
