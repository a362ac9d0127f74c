"""
The documents are true: what they list is what the code has, and what they point to is there.

The README's session is typed in by `e2e/test_readme.py`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic.fields import FieldInfo
from typer.main import get_command

from packshot import __version__
from packshot.cli import cli
from packshot.errors import CATALOGUE
from packshot.settings import PREFIX, Settings, load_settings
from packshot.web import events, health, images, keys, products, submissions, users, webhooks

ROOT: Final = Path(__file__).parents[1]
DOCUMENTS: Final = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
}
OPERATIONS: Final = DOCUMENTS["docs/operations.md"]
ENV_EXAMPLE: Final = (ROOT / ".env.example").read_text("utf-8")
FENCED: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
CODE: Final = re.compile(r"`([^`\n]+)`")
FILE: Final = re.compile(r"[\w./-]+\.(?:py|sql|toml|md)")
FOLDERS: Final = (ROOT, ROOT / "src/packshot", ROOT / "src/packshot/web", ROOT / "tests")  # where names begin
NAME: Final = re.compile(rf"{PREFIX}[A-Z_]*[A-Z]")
MACHINE: Final = re.compile(r"(?<![\w.*~])/(?:home|root|tmp|work|Users)/\w")  # a folder of somebody's own
KNOWN_NAMES: Final = {PREFIX + name.upper() for name in Settings.model_fields}

anywhere = pytest.mark.parametrize("document", DOCUMENTS)


def rows(text: str, first_cell: str) -> dict[str, list[str]]:
    """The rows of tables whose first cell is a code that matches: the code, and the other cells."""
    found = re.findall(rf"^\| `({first_cell})` \| (.*) \|$", text, re.MULTILINE)
    return {code: rest.split(" | ") for code, rest in found}


def table(document: str, heading: str) -> str:
    """What stands under a heading, up to the next one."""
    return DOCUMENTS[document].partition(f"## {heading}\n")[2].partition("\n## ")[0]


def shown_default(field: FieldInfo) -> str:
    if field.default_factory:
        return "4 per core"
    values = field.default if isinstance(field.default, tuple) else (field.default,)
    text = ",".join("" if value is None else str(value) for value in values)
    return f"`{text}`" if text else "empty"


def anchors(text: str) -> set[str]:
    """The names that headings get on a web page."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code_in(document: str) -> list[str]:
    """Every line of a block, and everything between backticks."""
    blocks = "".join(FENCED.findall(DOCUMENTS[document]))
    return [*blocks.splitlines(), *CODE.findall(FENCED.sub("", DOCUMENTS[document]))]


def words_after(command: str, document: str) -> set[str]:
    """The words that follow a command at the start of some code."""
    found = (re.match(rf"{command} ([a-z][a-z-]*)", code) for code in code_in(document))
    return {match[1] for match in found if match}


def links(document: str) -> Iterator[tuple[Path, str]]:
    """File and anchor of every link that stays in the project."""
    for link in LINK.findall(FENCED.sub("", DOCUMENTS[document])):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            yield (ROOT / document).parent / path if path else ROOT / document, anchor


def texts() -> Iterator[Path]:
    """Every file that people write."""
    yield from (ROOT / name for name in (".env.example", ".gitignore", "Makefile", "pyproject.toml"))
    for folder in ("src", "tests", "benchmarks", "servers", "chaos", "fuzz", "api_docs", "docs", ".ci"):
        for path in ROOT.glob(f"{folder}/**/*"):
            if path.is_file() and path.suffix not in {".jpg", ".png", ".pyc", ".whl"}:
                yield path
    yield from ROOT.glob("*.md")


def test_the_table_of_settings_is_what_the_code_has() -> None:
    expected = {
        PREFIX + name.upper(): [shown_default(field), field.description]
        for name, field in Settings.model_fields.items()
    }

    assert rows(table("docs/operations.md", "Settings"), f"{PREFIX}[A-Z_]+") == expected


def test_the_table_of_error_codes_is_what_the_code_has() -> None:
    expected = {
        code: [kind.meaning, kind.advice, "yes" if kind.transient else "no", kind.fixed_by]
        for code, kind in CATALOGUE.items()
    }

    assert rows(DOCUMENTS["docs/errors.md"], "[a-z_]+") == expected


def test_the_example_of_an_environment_has_every_setting_with_its_description() -> None:
    written = re.findall(r"^# (.*)\n#(PACKSHOT_[A-Z_]+)=", ENV_EXAMPLE, re.MULTILINE)

    assert written == [
        (field.description, PREFIX + name.upper()) for name, field in Settings.model_fields.items()
    ]


def test_the_example_of_an_environment_holds_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(re.sub(r"^#(?=PACKSHOT_)", "", ENV_EXAMPLE, flags=re.MULTILINE))
    monkeypatch.chdir(tmp_path)

    settings = load_settings().model_dump(exclude={"workers"})  # the machine decides how many

    assert settings == {name: Settings.model_fields[name].default for name in settings}


@anywhere
def test_every_link_leads_somewhere(document: str) -> None:
    for path, anchor in links(document):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path.read_text("utf-8")), f"{path}#{anchor}"


@anywhere
def test_every_file_that_is_named_is_there(document: str) -> None:
    named = [name for name in code_in(document) if FILE.fullmatch(name)]

    assert [name for name in named if not any((folder / name).exists() for folder in FOLDERS)] == []


@anywhere
def test_every_make_target_that_is_named_is_in_the_makefile(document: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)

    assert words_after(r"(?:[A-Z_]+=\S+ )*make", document) <= {*targets}


@anywhere
def test_every_command_that_is_named_is_one(document: str) -> None:
    command: Any = get_command(cli)

    assert words_after(r"(?:\.venv/bin/)?packshot", document) <= {*command.commands}


@anywhere
def test_every_setting_that_is_named_is_one(document: str) -> None:
    assert {*NAME.findall(DOCUMENTS[document])} <= KNOWN_NAMES


def test_the_readme_lists_the_routes_that_there_are() -> None:
    listed = rows(table("README.md", "HTTP"), "[A-Z]+ /[^`]+")
    routers = (
        submissions.router,
        products.router,
        images.router,
        webhooks.router,
        users.router,
        events.router,
        keys.router,
        health.router,
    )
    routes: list[Any] = [route for router in routers for route in router.routes]

    assert {*listed} == {
        f"{method} {route.path}" for route in routes for method in route.methods if route.include_in_schema
    }


def test_the_drawing_of_the_rooms_has_every_module() -> None:
    drawing = table("docs/architecture.md", "The rooms").split("```")[1]
    modules = {path.stem for path in (ROOT / "src/packshot").iterdir() if path.suffix in {".py", ""}}

    assert {name for name in modules if not name.startswith("_")} - {"schema"} <= {*drawing.split()}


def test_every_decision_is_in_the_list() -> None:
    listed = re.findall(r"^\d+\. \[(.*)\]\((.*)\)$", DOCUMENTS["docs/decisions/README.md"], re.MULTILINE)
    pages = sorted((ROOT / "docs/decisions").glob("0*.md"))

    assert listed == [
        (re.sub(r"^# \d+\. ", "", page.read_text("utf-8").splitlines()[0]), page.name) for page in pages
    ]


def test_the_changelog_knows_this_version() -> None:
    heading = r"Unreleased\]" if ".dev" in __version__ else rf"{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d"

    assert re.search(rf"^## \[{heading}$", DOCUMENTS["CHANGELOG.md"], re.MULTILINE)


def test_no_file_names_a_folder_of_somebodys_own_machine() -> None:
    assert [path for path in texts() if MACHINE.search(path.read_text("utf-8"))] == []
