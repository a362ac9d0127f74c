"""
The dashboard and the alerts, asked of a real Prometheus that looks at a real server which has worked.

What they name is what that server shows: a metric or a label that is renamed is found here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml
from servers.prometheus import Prometheus
from tests.figures import Figures
from tests.rows import eventually
from tests.serving import Serving
from tests.supplier import PICTURE, Supplier

ROOT: Final = Path(__file__).parents[2]
DASHBOARD: Final = json.loads((ROOT / "deploy/grafana/packshot.json").read_text("utf-8"))
ALERTS: Final = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))
PANELS: Final = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}
WHEN_IT_HAPPENS: Final = {"What should not happen", "What goes wrong, by code"}  # and else there is nothing
RARE: Final = {"packshot_mishaps_total": {"kind"}}  # there once something has happened
PAGE: Final = (ROOT / "docs/observability.md").read_text("utf-8")
ADDED_BY_PROMETHEUS: Final = {"instance", "job"}
OURS: Final = re.compile(r"\b((?:packshot|process)_\w+)(?:\{([^}]*)\})?")
GROUPED: Final = re.compile(r"\b(?:by|on) \(([^)]*)\)")


def expressions() -> Iterator[str]:
    """Every query of the dashboard and of the alerts."""
    yield from (target["expr"] for panel in PANELS.values() for target in panel["targets"])
    yield from (rule["expr"] for group in ALERTS["groups"] for rule in group["rules"])


@pytest.fixture(scope="session")
async def worked(serving: Serving) -> Figures:
    """What a server shows after a picture that became ready, and one that did not."""
    async with Supplier() as supplier:
        supplier.files["/boot.png"] = PICTURE
        await serving.outcomes([supplier.url("/boot.png"), supplier.url("/status/404")])
    return Figures((await serving.client.get("/metrics")).text)


async def test_every_metric_that_is_asked_for_is_shown(worked: Figures) -> None:
    shown = {sample.name for sample in worked.samples} | {*RARE}

    assert {name for query in expressions() for name, _ in OURS.findall(query)} <= shown


async def test_every_label_that_is_asked_for_is_there(worked: Figures) -> None:
    wrong = [
        (name, label)
        for query in expressions()
        for name, within in OURS.findall(query)
        for label in labels_of(query, within)
        if label not in worked.labels(name) | RARE.get(name, set()) | ADDED_BY_PROMETHEUS
    ]

    assert wrong == []


async def test_the_page_lists_every_metric_with_its_labels(worked: Figures) -> None:
    listed = re.findall(r"^\| `(packshot_\w+)` \|([^|]*)\|", PAGE, re.MULTILINE)
    names = {sample.name for sample in worked.samples if sample.name.startswith("packshot_")}
    shown = {
        re.sub("_(bucket|sum|count)$", "", name): worked.labels(name) - {"le"}
        for name in names
        if not name.endswith("_created")
    }

    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in listed} == shown | RARE


def labels_of(query: str, within: str) -> set[str]:
    """The labels that a metric must have: those in its braces, and those that the query groups by."""
    grouped = [label.strip() for group in GROUPED.findall(query) for label in group.split(",")]
    return {*re.findall(r"(\w+)(?:=~|!~|!=|=)", within), *grouped}


async def test_every_question_of_the_dashboard_is_answered_after_some_work(
    prometheus: Prometheus,
    serving: Serving,
    worked: Figures,  # noqa: ARG001 - for its effect
    supplier: Supplier,
) -> None:
    supplier.files["/shoe.png"] = PICTURE
    await prometheus.watch(urlsplit(str(serving.client.base_url)).netloc)
    await serving.outcomes([supplier.url("/shoe.png"), supplier.url("/status/404")])
    unanswered: list[tuple[str, str]] = []

    async def are_all_answered() -> bool:
        unanswered[:] = [
            (title, target["expr"])
            for title, panel in PANELS.items()
            for target in panel["targets"]
            if not await has_data(prometheus, target) and title not in WHEN_IT_HAPPENS
        ]
        return not unanswered

    try:
        await eventually(are_all_answered)
    except TimeoutError:
        assert unanswered == []


async def has_data(prometheus: Prometheus, target: Mapping[str, Any]) -> bool:
    found = await prometheus.ask(target["expr"].replace("$__rate_interval", "15s"))
    labels = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
    assert all(label in one["metric"] for one in found for label in labels), target
    return bool(found)
