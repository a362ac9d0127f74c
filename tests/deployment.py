"""The files that deploy Packshot, read once: the Dockerfile, compose.yaml and the manifests."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from tests.dockerfile import read_dockerfile
from typer.main import get_command

from packshot.cli import cli
from packshot.settings import PREFIX, Settings

ROOT: Final = Path(__file__).parents[1]
IMAGE: Final = read_dockerfile(ROOT / "Dockerfile")[-1]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
OURS: Final = {name: one for name, one in SERVICES.items() if "build" in one}
THEIRS: Final = {name: one for name, one in SERVICES.items() if "build" not in one}
KUBERNETES: Final = ROOT / "deploy/kubernetes"
MANIFESTS: Final[list[dict[str, Any]]] = [
    one for path in sorted(KUBERNETES.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text()) if one
]
USER: Final = IMAGE.says("USER")[0]
DATA: Final = IMAGE.environment["PACKSHOT_DATA_DIR"]
PORT: Final = int(IMAGE.environment["PACKSHOT_PORT"])
WRITTEN: Final = (DATA, "/tmp")  # noqa: S108 - what the program writes to in a container
ROUTES: Final = {"/healthz", "/readyz"}
KNOWN_SETTINGS: Final = {PREFIX + name.upper() for name in Settings.model_fields}


def parse(words: Sequence[str]) -> None:
    """Read the words after `packshot` as the command line does, and run nothing; raise what it raises."""
    command: Any = get_command(cli)
    while hasattr(command, "commands"):
        context = command.context_class(command)
        _, command, words = command.resolve_command(context, list(words))
    command.make_context("packshot", list(words))


def unknown_settings(environment: Mapping[str, object]) -> set[str]:
    """The names that look like a setting of ours and are none."""
    return {name for name in environment if name.startswith(PREFIX)} - KNOWN_SETTINGS


def environment(service: str) -> dict[str, str]:
    """What one of our containers is told: by the image, then by compose.yaml, with its defaults."""
    said = SERVICES[service].get("environment", {})
    filled = {name: filled_in(str(value)) for name, value in said.items()}
    return {**IMAGE.environment, **filled} if service in OURS else filled


def filled_in(text: str) -> str:
    """Put in the defaults of variables, the inner ones first."""
    while (found := re.sub(r"\$\{\w+:-([^${}]*)\}", r"\1", text)) != text:
        text = found
    return text


def settings_of(told: Mapping[str, str]) -> Settings:
    """Read them as the program does."""
    values = {name.removeprefix(PREFIX).lower(): value for name, value in told.items() if PREFIX in name}
    return Settings.model_validate(values)


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that a manifest makes, with the name of what makes it."""
    for manifest in MANIFESTS:
        if manifest["kind"] in ("Deployment", "Job"):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def of_kind(kind: str) -> list[dict[str, Any]]:
    """The manifests of a kind."""
    return [manifest for manifest in MANIFESTS if manifest["kind"] == kind]
