"""How large and how tangled the package is, by public tools: `make house` prints it.

Rooms are the folders of `clari_pipeline/`; the floors are the longest way down from one to another that it imports.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "clari_pipeline"
HANDED_ON = frozenset({"Pipeline", "Context"})  # the object that most steps are functions of
_OURS = frozenset({PACKAGE, "tests", "__future__"})


def rooms() -> dict[str, set[str]]:
    """The rooms that each room imports."""
    graph = grimp.build_graph(PACKAGE, include_external_packages=False)
    found: dict[str, set[str]] = {}
    folders = {name for name in graph.find_children(PACKAGE) if graph.find_children(name)}
    for folder in folders:
        parts = {folder, *graph.find_descendants(folder)}
        reached = {target for part in parts for target in graph.find_modules_directly_imported_by(part)}
        found[folder.rpartition(".")[2]] = {
            ".".join(target.split(".")[1:2]) for target in reached if target not in parts and target.count(".")
        } & {name.rpartition(".")[2] for name in folders}
    return found


def floors(imports: dict[str, set[str]]) -> int:
    """How many floors the rooms stand on; 0 where rooms import each other in a circle."""
    height: dict[str, int] = {}
    try:
        for room in TopologicalSorter(imports).static_order():
            height[room] = 1 + max((height[below] for below in imports[room]), default=0)
    except CycleError:
        return 0
    return max(height.values())


def loose_modules() -> list[str]:
    """Modules that lie in the package itself, beside its doors."""
    doors = {"__init__", "__main__", "definitions"}
    return sorted(path.stem for path in (ROOT / PACKAGE).glob("*.py") if path.stem not in doors)


def handed_the_whole() -> list[str]:
    """Functions that are handed the object that everything hangs on, as `module.function`."""
    return sorted(
        f"{path.stem}.{node.name}"
        for path, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        if argument.annotation is not None and ast.unparse(argument.annotation).strip("'\"") in HANDED_ON
    )


def private_names(folder: str = PACKAGE) -> list[str]:
    """Private names of other packages that a folder's modules import, as `module: package._name`.

    Private attributes of anything but `self` are ruff's rule SLF001.
    """
    found = []
    for path, tree in _sources(folder):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            found += [
                f"{path.stem}: {name}"
                for name in names
                if name.split(".")[0] not in _OURS and any(part.startswith("_") for part in name.split("."))
            ]
    return sorted(found)


def lines(pattern: str) -> int:
    """Lines of the files that git knows by this pattern."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(
        len((ROOT / name).read_text().splitlines()) for name in listed.stdout.splitlines() if (ROOT / name).exists()
    )


def _sources(folder: str = PACKAGE) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path, ast.parse(path.read_text())


def main() -> int:
    """Print the measures, a line each, beside what they are to reach."""
    imports = rooms()
    table: list[tuple[str, object, str]] = [
        ("rooms", len(imports), "at most 20"),
        ("floors (0: a circle)", floors(imports), "7"),
        ("arrows between rooms", sum(map(len, imports.values())), ""),
        ("modules loose in the package", len(loose_modules()), "0"),
        ("functions handed the one object", len(handed_the_whole()), "at most 20"),
        ("private names of other packages", len(private_names()), "0"),
        ("lines of Python", lines("clari_pipeline/**.py"), "at most 21,000"),
        ("lines of SQL", lines("sql/**.sql"), "at most 6,500"),
        ("lines of tests", lines("tests/**.py"), "at most 20,000"),
        ("lines of README.md", lines("README.md"), "at most 180"),
    ]
    for what, number, reach in table:
        print(f"{what:<34}{number:>8,}   {reach}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
