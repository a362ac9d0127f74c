"""The manifests for Kubernetes are true: they fit the image, the program, and each other."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.deployment import (
    DATA,
    IMAGE,
    KUBERNETES,
    MANIFESTS,
    PORT,
    ROOT,
    ROUTES,
    USER,
    WRITTEN,
    of_kind,
    parse,
    pods,
    settings_of,
    unknown_settings,
)
from tests.rows import an_image

from packshot.daemon import LEAVE_SECONDS
from packshot.database import Database
from packshot.images import Images
from packshot.web.access import METRICS

each_pod = pytest.mark.parametrize("pod", [pod for _, pod in pods()], ids=[name for name, _ in pods()])


@each_pod
def test_a_pod_runs_a_command_that_there_is_on_our_image(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]

    assert container["image"] == "packshot"
    parse(container["args"])


@each_pod
def test_a_pod_may_do_little_and_writes_where_it_can(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    who = pod["securityContext"]

    assert f"{who['runAsUser']}:{who['runAsGroup']}" == USER
    assert (who["runAsNonRoot"], who["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == set(WRITTEN)
    assert {mount["name"] for mount in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}


@each_pod
def test_a_pod_sees_no_variables_of_services(pod: dict[str, Any]) -> None:
    assert pod["enableServiceLinks"] is False  # a Service called packshot sets PACKSHOT_PORT to an address


@each_pod
def test_a_pod_is_told_settings_that_there_are(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    said = {one["name"]: one["value"] for one in container.get("env", [])}
    given = {**of_kind("ConfigMap")[0]["data"], **of_kind("Secret")[0]["stringData"]}
    named = {reference["name"] for one in container["envFrom"] for reference in one.values()}

    assert unknown_settings({**said, **given}) == set()
    assert settings_of({**IMAGE.environment, **given, **said}).data_dir == Path(DATA)
    assert named == {of_kind(kind)[0]["metadata"]["name"] for kind in ("ConfigMap", "Secret")}


@each_pod
def test_a_probe_asks_a_port_and_a_route_of_that_pod(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    said = {one["name"]: one["value"] for one in container.get("env", [])}
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    listening = int(said.get("PACKSHOT_METRICS_PORT", PORT))

    for probe in (probe for name, probe in container.items() if name.endswith("Probe")):
        assert probe["httpGet"]["path"] in ROUTES
        assert ports[probe["httpGet"]["port"]] == listening


def test_a_pod_is_given_the_time_that_the_program_takes_to_end() -> None:
    shutdown = int(of_kind("ConfigMap")[0]["data"]["PACKSHOT_SHUTDOWN_SECONDS"])

    for manifest in of_kind("Deployment"):
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        pause = int(container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", "0")[-1])
        assert pod["terminationGracePeriodSeconds"] > pause + shutdown + LEAVE_SECONDS


def test_what_selects_pods_selects_some() -> None:
    labels = [manifest["spec"]["template"]["metadata"]["labels"] for manifest in of_kind("Deployment")]
    selectors = [
        manifest["spec"]["selector"].get("matchLabels", manifest["spec"]["selector"])
        for manifest in MANIFESTS
        if manifest["kind"] in ("Deployment", "Service", "PodDisruptionBudget", "PodMonitor")
    ]
    scaled = [
        manifest["spec"]["scaleTargetRef"]["name"]
        for manifest in MANIFESTS
        if "scaleTargetRef" in manifest.get("spec", {})
    ]

    assert all(any(selector.items() <= label.items() for label in labels) for selector in selectors)
    assert set(scaled) <= {manifest["metadata"]["name"] for manifest in of_kind("Deployment")}


def test_the_metrics_of_each_process_that_stays_are_read_once_and_with_a_key() -> None:
    (monitor,) = of_kind("PodMonitor")
    ends = {end["port"]: end for end in monitor["spec"]["podMetricsEndpoints"]}

    for manifest in of_kind("Deployment"):
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        (port,) = {port["name"] for port in container["ports"]} & ends.keys()
        assert (ends[port]["path"], "credentials" in ends[port]["authorization"]) == (METRICS, True)


def test_the_alerts_know_the_job_by_its_name() -> None:
    (kustomization,), (monitor,) = of_kind("Kustomization"), of_kind("PodMonitor")

    job = f"{kustomization['namespace']}/{monitor['metadata']['name']}"  # as the Operator calls it
    (known,) = set(re.findall(r'job=~"([^"]*)"', (ROOT / "deploy/prometheus/alerts.yml").read_text()))
    assert re.fullmatch(known, job)


def test_kustomize_takes_files_that_there_are() -> None:
    (kustomization,) = of_kind("Kustomization")
    left_out = {"kustomization.yaml", "keda.yaml", "monitoring.yaml", "secret.example.yaml"}

    assert {path.name for path in KUBERNETES.glob("*.yaml")} - left_out == set(kustomization["resources"])


async def test_workers_are_scaled_by_a_query_that_counts_what_is_due(
    database: Database, images: Images
) -> None:
    (trigger,) = of_kind("ScaledObject")[0]["spec"]["triggers"]
    secret = of_kind("TriggerAuthentication")[0]["spec"]["secretTargetRef"][0]
    await an_image(images)

    (row,) = await database.fetch(trigger["metadata"]["query"])

    assert row["count"] == 1
    assert secret["key"] in of_kind("Secret")[0]["stringData"]
