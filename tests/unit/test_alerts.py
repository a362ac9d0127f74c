"""The alert rules: Prometheus understands them, they fire when they should, and each says what to do."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "deploy/prometheus"
RULES: Final[list[dict[str, Any]]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
HEADINGS: Final = re.findall(
    r"^### (\w+)$", (ROOT / "docs/observability.md").read_text("utf-8"), re.MULTILINE
)


@pytest.mark.parametrize(
    ("order", "file"), [(("check", "rules"), "alerts.yml"), (("test", "rules"), "alerts_test.yml")]
)
def test_the_rules_hold_what_they_promise(promtool: str, order: tuple[str, str], file: str) -> None:
    done = subprocess.run([promtool, *order, file], cwd=FOLDER, capture_output=True, text=True, check=False)  # noqa: S603 - Prometheus' own tool

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_fired_by_some_test() -> None:
    fired = re.findall(r'alertname="(\w+)"', (FOLDER / "alerts_test.yml").read_text("utf-8"))

    assert {rule["alert"] for rule in RULES} == {*fired}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_says_what_happened_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "description", "action", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/observability.md#{rule['alert'].lower()}"
    assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_runbook_has_a_part_for_every_rule_and_no_other() -> None:
    assert [rule["alert"] for rule in RULES] == [
        heading for heading in HEADINGS if heading.startswith("Packshot")
    ]
