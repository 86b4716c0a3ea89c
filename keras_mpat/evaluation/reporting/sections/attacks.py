"""Attack by attack: what each one left correct."""

from typing import Any

from keras_mpat.evaluation.reporting.data import ReportData
from keras_mpat.evaluation.reporting.inline import photograph
from keras_mpat.evaluation.reporting.markup import element
from keras_mpat.evaluation.reporting.page import Figure, Section
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.sections.verdict import radius_text
from keras_mpat.evaluation.reporting.tables import Shown, Table
from keras_mpat.evaluation.result import Part, percent

_READING = (
    "Images that are still correct under each attack alone; ↳ marks the parts of an "
    "attack that has several, each after those above it. The worst case counts an "
    "image only if every attack failed on it."
)
_SHOWN, _LONG = 8, 10  # images, characters above one


def section(runs: list[Run], data: ReportData | None) -> Section | None:
    """A table of all attacks, and the evaluations that the verdict left out."""
    attacked = [run for run in runs if run.evaluation is not None]
    pictured = data is not None and data.pictures
    shown = [run for run in runs if pictured and run.findings is not None]
    if not attacked and not shown:
        return None
    parts: list[Any] = []
    if attacked:
        settings = settings_table(attacked)
        details = element("summary", "Settings of every attack")
        parts += [
            attack_table(attacked),
            element("details", details, settings.to_html()),
        ]
    others = other_table(attacked)
    if others.rows:
        parts += ["Evaluations at other radii, or of fewer images:", others]
    if data is not None and shown:
        parts.append([picture_figure(run, data) for run in shown])
    text = _READING if attacked else "Not evaluated: run examples/evaluate.py."
    return Section("Attacks", "attacks", text, parts)


def attack_table(runs: list[Run]) -> Table:
    """A row for each attack and each of its parts, a column for each run."""
    rows: dict[str, list[Any]] = {}
    for column, run in enumerate(runs):
        for name, part in _parts(run):
            row = rows.setdefault(name, [None] * len(runs))
            row[column] = _correct(part.correct)
    last = [_correct(run.evaluation.result.robust) for run in runs if run.evaluation]
    clean = [_correct(run.evaluation.result.clean) for run in runs if run.evaluation]
    body = [[name, *row] for name, row in rows.items()]
    columns = [f"{run.name} (%)" for run in runs]
    return Table(
        "attacks",
        ["attack", *columns],
        [["none", *clean], *body, ["worst case", *last]],
    )


def picture_figure(run: Run, data: ReportData) -> Figure:
    """The first test images, clean and attacked, with what is predicted."""
    from keras_mpat.evaluation import plots

    found, rows = run.findings.latent, slice(_SHOWN)
    images = {"clean": data.x[rows], "PGD-20": run.findings.pictures[rows]}
    guesses = {"clean": found.clean_predicted, "PGD-20": found.adversarial_predicted}
    names = [plots.short(name) for name in data.class_names]
    if max(map(len, names)) > _LONG:
        names = [str(number) for number in range(len(names))]
    return Figure(
        f"{run.name}: the first test images under attack",
        "Above each image the predicted class, with ✗ where it is wrong.",
        photograph(
            lambda file: plots.adversarial_examples(
                images,
                {name: guess[rows] for name, guess in guesses.items()},
                data.y[rows],
                file,
                class_names=names,
            ),
            alt=f"Test images of {run.name}, clean and attacked",
        ),
    )


def settings_table(runs: list[Run]) -> Table:
    """Every argument of every attack, those of parts included."""
    found = dict.fromkeys((name, p.attack) for run in runs for name, p in _parts(run))
    return Table(
        "attack_settings", ["attack", "settings"], [list(row) for row in found]
    )


def other_table(runs: list[Run]) -> Table:
    """Evaluations that are not in the verdict."""
    rows = [
        [
            run.name,
            radius_text(other),
            other.result.n,
            _correct(other.result.robust),
            ", ".join(stage.name for stage in other.result.stages),
        ]
        for run in runs
        for other in run.others
    ]
    header = ["run", "epsilon", "images", "worst case (%)", "attacks"]
    return Table("other_evaluations", header, rows)


def _parts(run: Run) -> list[tuple[str, Part]]:
    """Attacks and their parts by a name that is the same in all runs."""
    found: list[tuple[str, Part]] = []
    for stage in run.evaluation.result.stages if run.evaluation else ():
        found.append((stage.name, stage))
        if len(stage.parts) > 1:
            found += [(f"↳ {part.name} ({stage.name})", part) for part in stage.parts]
    return found


def _correct(flags) -> Shown:
    count = int(flags.sum())
    return Shown(100 * count / len(flags), percent(count, len(flags)))
