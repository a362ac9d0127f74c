"""
The house as a test: which rooms there are, who may know whom, and who owns which foreign library.

A unit is a top-level module or a package, which is one room however many files it has. Imports inside
functions count too. The rules that are lists stand in `rooms.py`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest
from tests.rooms import ACTING, CHILD, LAYERS, OWNERS, PURE, RUN_AS_A_PROCESS, THIN

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "src/packshot"
TESTS: Final = ROOT / "tests"

SAYS_NOTHING: Final = re.compile(r"utils?|helpers?|common|core|base|misc|managers?|services?|handlers?|_.*")
LONGEST: Final = 300


def modules() -> dict[str, ast.Module]:
    """Parse every file of the program; the names are dotted, without `packshot.`."""
    return {
        str(file.relative_to(SOURCE).with_suffix("")).replace("/", ".").removesuffix(".__init__"): parse(file)
        for file in SOURCE.rglob("*.py")
        if file != SOURCE / "__init__.py"
    }


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


def imports(tree: ast.AST) -> Iterator[str]:
    """Name everything imported: `from a import b` is both a and a.b, because b may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def unit(name: str) -> str:
    return name.split(".", 1)[0]


MODULES: Final = modules()
UNITS: Final = {unit(name) for name in MODULES}
OURS: Final = {
    name: {found.removeprefix("packshot.") for found in imports(tree)} & MODULES.keys()
    for name, tree in MODULES.items()
}
FOREIGN: Final = {
    name: {unit(found) for found in imports(tree)} - {"packshot"} for name, tree in MODULES.items()
}
FILES: Final = sorted(
    [
        *SOURCE.rglob("*.py"),
        *TESTS.rglob("*.py"),
        *(ROOT / "benchmarks").rglob("*.py"),
        *(ROOT / "api_docs").rglob("*.py"),
    ]
)


def layer(name: str) -> int:
    return next(number for number, units in enumerate(LAYERS) if unit(name) in units)


def test_every_room_has_its_layer_and_every_layer_its_rooms() -> None:
    assert sorted(name for units in LAYERS for name in units) == sorted(UNITS)


def test_imports_point_inward_and_never_sideways() -> None:
    wrong = [
        f"{name} must not import {found}"
        for name, all_found in OURS.items()
        for found in all_found
        if unit(found) != unit(name) and layer(found) >= layer(name)
    ]

    assert wrong == []


def test_no_imports_run_in_a_circle() -> None:
    TopologicalSorter(OURS).prepare()


def test_a_foreign_library_has_its_owners_and_nobody_else_speaks_to_it() -> None:
    wrong = [
        f"{name} must not import {library}"
        for name, found in FOREIGN.items()
        for library in found - sys.stdlib_module_names
        if unit(name) not in OWNERS.get(library, ())
    ]

    assert wrong == []


def test_nobody_owns_what_is_not_used() -> None:
    used = {(library, unit(name)) for name, found in FOREIGN.items() for library in found}

    assert {(library, owner) for library, owners in OWNERS.items() for owner in owners} <= used


def test_a_decision_does_nothing() -> None:
    assert {name: FOREIGN[name] & ACTING for name in PURE} == {name: set() for name in PURE}


def test_a_decoder_child_stays_small() -> None:
    assert set().union(*(OURS[name] for name in {"decoder", *CHILD})) <= CHILD


@pytest.mark.parametrize("name", sorted({"cli", *THIN}))
def test_the_command_line_is_thin(name: str) -> None:
    tree = MODULES[name]
    at_the_top = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])

    assert {found.removeprefix("packshot.") for found in imports(at_the_top)} & MODULES.keys() <= THIN


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        unit(name)
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv")
    }

    assert readers <= {"settings", "cli"}


def test_every_room_is_entered_by_a_test() -> None:
    named = {
        found for file in TESTS.rglob("*.py") for found in re.findall(r"packshot\.(\w+)", file.read_text())
    }

    assert UNITS - named - RUN_AS_A_PROCESS == set()


def test_a_name_says_what_is_inside() -> None:
    assert [name for name in UNITS - {"__main__"} if SAYS_NOTHING.fullmatch(name)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_begins_by_saying_what_it_is_for_and_ends_in_time(file: Path) -> None:
    assert ast.get_docstring(parse(file))
    assert len(file.read_text().splitlines()) <= LONGEST


def test_types_are_imported_like_everything_else() -> None:
    assert [file.name for file in SOURCE.rglob("*.py") if "TYPE_" + "CHECKING" in file.read_text()] == []
