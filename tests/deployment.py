"""The files that deploy Packshot, read once: the Dockerfile, compose.yaml and the manifests."""

from collections.abc import Iterator, Mapping
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
KNOWN_SETTINGS: Final = {PREFIX + name.upper() for name in Settings.model_fields}


def is_a_command(words: list[str]) -> bool:
    """Tell whether the command line takes these words after `packshot`, without running them."""
    command: Any = get_command(cli)
    context = command.make_context("packshot", words[:1] + ["--help"] if len(words) == 1 else words)
    return bool(context)


def unknown_settings(environment: Mapping[str, object]) -> set[str]:
    """The names that look like a setting of ours and are none."""
    return {name for name in environment if name.startswith(PREFIX)} - KNOWN_SETTINGS


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that a manifest makes, with the name of what makes it."""
    for manifest in MANIFESTS:
        if manifest["kind"] in ("Deployment", "Job"):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def of_kind(kind: str) -> list[dict[str, Any]]:
    """The manifests of a kind."""
    return [manifest for manifest in MANIFESTS if manifest["kind"] == kind]
