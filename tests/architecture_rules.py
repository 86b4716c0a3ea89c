"""The architecture as rules: which file of the package may import what.

`violations(path, source)` reads one file with `ast`, runs nothing and returns one
sentence per broken rule. The names of modules say where a file stands:

* a *unit* is a module or folder directly in `keras_mpat` (`backend`, `attacks`);
* units stand on `FLOORS`; a file imports from its own floor or a lower one;
* `datasets` stands apart: it imports `PLAIN` modules only, and only `tuning` and the
  package's own `__init__.py` may import it;
* frameworks and optional packages have the homes listed in `HOMES`.

Imports for type checkers only (`if TYPE_CHECKING:`) are free.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

PACKAGE = "keras_mpat"
MAX_LINES = 250

FLOORS = (
    {
        "backend",
        "choices",
        "configurable",
        "files",
        "input_checks",
        "learned",
        "locks",
        "losses",
        "memory",
        "noise",
        "norms",
        "pipelines",
        "replicas",
        "objectives",
        "saved",
        "schedules",
        "threat_checks",
        "threat_models",
        "version",
        "weight_gradients",
    },
    {"attacks", "layers", "metrics"},
    {"training"},
    {"models"},
    {"callbacks", "evaluation", "interop", "pretraining"},
    {"tuning"},
)
FLOOR_OF = {unit: level for level, floor in enumerate(FLOORS) for unit in floor}
FACADE = "__init__"  # keras_mpat/__init__.py: above all floors
APART = "datasets"
# Standard library only (`pipelines`: when imported): `datasets` may import them.
PLAIN = ("choices", "pipelines", "version")
SCRIPTS = {"examples", "tests", "tuning"}  # top-level folders outside the package

# Third-party package -> places (path prefixes in keras_mpat) that may import it.
HOMES = {
    "jax": ("backend.py",),
    "keras_tuner": ("tuning/",),
    "matplotlib": ("evaluation/plots/",),
    "sklearn": ("datasets/", "evaluation/", "tuning/"),
    "tensorflow": ("backend.py", "pipelines.py", "replicas.py", "datasets/"),
    "tensorflow_datasets": ("datasets/",),
    "torch": ("backend.py", "interop.py"),
}
ONLY_INSIDE_FUNCTIONS = {"sklearn"}
_PLAIN_NAMES = ", ".join(f"`{name}`" for name in PLAIN)
TYPE_CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


@dataclass(frozen=True)
class Import:
    """One imported dotted name, absolute, and where it is written."""

    name: str
    line: int
    in_function: bool


def violations(path: str, source: str) -> list[str]:
    """Return a sentence for each rule that a file of the package breaks.

    Args:
        path: File path that begins with `keras_mpat/`, with forward slashes.
        source: The text of the file.
    """
    tree = ast.parse(source)
    unit = _unit_of_file(path)
    found = []
    if unit not in FLOOR_OF and unit not in (FACADE, APART):
        found.append(f"{path}: `{unit}` stands on no floor; add it to FLOORS.")
    if (lines := len(source.splitlines())) > MAX_LINES:
        found.append(f"{path}: {lines} lines, {MAX_LINES} allowed; split the object.")
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found.append(f"{path}:{node.lineno}: `assert`; raise an error instead.")
    for imported in imports(path, tree):
        reason = _forbidden_inside(unit, imported) or _not_at_home(path, imported)
        if reason:
            found.append(f"{path}:{imported.line}: imports {imported.name}; {reason}.")
    return found


def imports(path: str, tree: ast.AST) -> list[Import]:
    """Return the imports of a file, function bodies included, type hints not."""
    folder = list(PurePosixPath(path).parent.parts)
    return list(_walk(tree, folder, in_function=False))


def _walk(node: ast.AST, folder: list[str], in_function: bool) -> Iterator[Import]:
    for name in _names(node, folder):
        yield Import(name, node.lineno, in_function)
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and ast.unparse(node.test) in TYPE_CHECKING:
        children = node.orelse
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        in_function = True
    for child in children:
        yield from _walk(child, folder, in_function)


def _names(node: ast.AST, folder: list[str]) -> list[str]:
    """Return the absolute dotted names that one statement or call imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        origin = _absolute("." * node.level + (node.module or ""), folder)
        return [f"{origin}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args:
        function = ast.unparse(node.func).rsplit(".", 1)[-1]
        argument = node.args[0]
        if function in ("import_module", "__import__") and isinstance(
            argument, ast.Constant
        ):
            return [_absolute(str(argument.value), folder)]
    return []


def _absolute(name: str, folder: list[str]) -> str:
    level = len(name) - len(name.lstrip("."))
    if level == 0:
        return name
    origin = folder[: len(folder) - level + 1]
    return ".".join([*origin, *filter(None, [name[level:]])])


def _unit_of_file(path: str) -> str:
    return PurePosixPath(path).parts[1].removesuffix(".py")


def _forbidden_inside(unit: str, imported: Import) -> str | None:
    """Return why a unit may not import this part of the repository, if so."""
    root, _, rest = imported.name.partition(".")
    if root in SCRIPTS:
        return "the package imports no top-level scripts"
    if root != PACKAGE:
        return None
    other = rest.partition(".")[0]
    if other == unit or unit == FACADE:
        return None
    if unit == APART:
        return None if other in PLAIN else f"`{APART}` imports only {_PLAIN_NAMES}"
    if other == APART:
        return None if unit == "tuning" else f"`{unit}` is handed data"
    if other not in FLOOR_OF:
        return f"name the module that holds it: `{other or PACKAGE}` is on no floor"
    if FLOOR_OF[other] > FLOOR_OF.get(unit, -1):
        return f"`{other}` is on a higher floor than `{unit}`"
    return None


def _not_at_home(path: str, imported: Import) -> str | None:
    """Return why a file may not import this third-party package, if so."""
    root = imported.name.partition(".")[0]
    if root not in HOMES:
        return None
    place = path.removeprefix(f"{PACKAGE}/")
    if not place.startswith(HOMES[root]):
        return f"{root} is imported in {' and '.join(HOMES[root])} only"
    if root in ONLY_INSIDE_FUNCTIONS and not imported.in_function:
        return f"{root} is imported inside functions only"
    return None
