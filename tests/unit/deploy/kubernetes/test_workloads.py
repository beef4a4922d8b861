"""What the manifests promise about the pods: safe to run, safe to stop, and named alike everywhere."""

import math
from typing import Any

import pytest

from deploy.local.folders import REPOSITORY
from shared.config import Settings
from shared.topology import LANES, Lane
from tests.support.settings_manual import variables
from tests.unit.deploy.kubernetes.rendering import OVERLAYS, ROOT, Resource, containers, documents, render

PRODUCTION = render(ROOT / "overlays" / "production")
DEPLOYMENTS = [
    pytest.param(resource, id=f"{overlay.name}-{resource['metadata']['name']}")
    for overlay in OVERLAYS
    for resource in render(overlay)
    if resource["kind"] == "Deployment"
]
WORKLOADS = [
    pytest.param(resource, id=f"{overlay.name}-{resource['metadata']['name']}")
    for overlay in OVERLAYS
    for resource in render(overlay)
    if resource["kind"] in {"Deployment", "Job"}
]


def of_kind(kind: str) -> list[Resource]:
    """Production's resources of a kind."""
    return [resource for resource in PRODUCTION if resource["kind"] == kind]


def named(kind: str, name: str) -> Resource:
    """One of production's resources."""
    return next(resource for resource in of_kind(kind) if resource["metadata"]["name"] == name)


def pod(workload: Resource) -> Any:
    """The pod that a workload starts."""
    return workload["spec"]["template"]["spec"]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_pod_meets_the_restricted_standard(workload: Resource) -> None:
    """No root, no privilege, no writable root file system, no rights at Kubernetes' API."""
    spec = pod(workload)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] >= 10_000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in containers(workload):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_pod_s_environment_holds_only_settings_that_exist(workload: Resource) -> None:
    """A misspelt variable is silently a default; and no secret is in the environment."""
    for container in containers(workload):
        names = [variable["name"] for variable in container.get("env", [])]
        assert set(names) <= variables()
        assert len(set(names)) == len(names)
        assert not {"CARILLON_DATABASE_URL", "CARILLON_AMQP_URL", "CARILLON_OPERATOR_KEY"} & set(names)
    assert pod(workload)["enableServiceLinks"] is False, "links would set CARILLON_… variables of their own"


def test_the_shared_settings_exist() -> None:
    """In every overlay's ConfigMap."""
    for overlay in OVERLAYS:
        config = next(r for r in render(overlay) if r["kind"] == "ConfigMap" and r["metadata"]["name"] == "carillon")
        assert set(config["data"]) <= variables()


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_pod_gets_more_time_to_stop_than_it_takes_to_drain(deployment: Resource) -> None:
    """Else a rolling update would cut off batches in flight."""
    drain = float(named("ConfigMap", "carillon")["data"]["CARILLON_DRAIN_TIMEOUT"])
    assert drain == Settings.model_fields["drain_timeout"].default
    # A worker drains its consumer, then flushes its two outboxes, each within the budget at the most.
    worst = 10 if "emulator" in deployment["metadata"]["name"] else 2 * drain + 15
    assert pod(deployment)["terminationGracePeriodSeconds"] >= worst


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_pod_is_asked_whether_it_lives_and_whether_it_is_ready(deployment: Resource) -> None:
    """By probes of its own service."""
    for container in containers(deployment):
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
        if "httpGet" in container["livenessProbe"]:
            assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
            assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_command_is_a_module_that_exists(workload: Resource) -> None:
    """The image's entry point is `python -m`."""
    for container in containers(workload):
        module = REPOSITORY / container["args"][0].replace(".", "/")
        assert (module / "__main__.py").exists()


def test_every_service_account_and_selector_leads_somewhere() -> None:
    """Accounts exist; disruption budgets, services and autoscalers find their pods."""
    accounts = {account["metadata"]["name"] for account in of_kind("ServiceAccount")}
    pods = [d["spec"]["template"]["metadata"]["labels"] for d in of_kind("Deployment")]
    for workload in [*of_kind("Deployment"), *of_kind("Job")]:
        assert pod(workload)["serviceAccountName"] in accounts
    for deployment in of_kind("Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for selecting in [*of_kind("PodDisruptionBudget"), *of_kind("Service")]:
        selector = selecting["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        of_the_broker = wanted == {"app.kubernetes.io/name": "carillon-rabbitmq"}
        assert of_the_broker or sum(wanted.items() <= labels.items() for labels in pods) == 1
    for scaler in [*of_kind("HorizontalPodAutoscaler"), *of_kind("ScaledObject")]:
        target = named("Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        assert "replicas" not in target["spec"], "two would set it"


def test_every_deployment_has_a_disruption_budget() -> None:
    """Its own."""
    budgets = {budget["metadata"]["name"] for budget in of_kind("PodDisruptionBudget")}
    assert {deployment["metadata"]["name"] for deployment in of_kind("Deployment")} <= budgets


@pytest.mark.parametrize("lane", Lane)
def test_a_lane_scales_by_its_own_queue_up_to_what_the_quota_feeds(lane: Lane) -> None:
    """More senders than FCM takes messages from would only wait."""
    deployment = named("Deployment", f"carillon-sender-{lane}")
    environment = {variable["name"]: variable["value"] for variable in containers(deployment)[0]["env"]}
    assert environment["CARILLON_LANES"] == str(lane)
    scaler = named("ScaledObject", f"carillon-sender-{lane}")["spec"]
    trigger = scaler["triggers"][0]["metadata"]
    assert trigger["queueName"] == LANES[lane].name
    assert trigger["excludeUnacknowledged"] == "false"
    quota = named("ConfigMap", "carillon-quota")["data"]
    cap = math.ceil(int(quota["messages-per-second"]) / int(quota["messages-per-second-per-sender"])) + 1
    assert scaler["maxReplicaCount"] == cap
    assert 1 <= scaler["minReplicaCount"] <= cap


def test_the_broker_s_settings_are_those_of_compose() -> None:
    """One file says why, the other may not drift."""
    here = named("RabbitmqCluster", "carillon-rabbitmq")["spec"]["rabbitmq"]["additionalConfig"]
    there = (REPOSITORY / "deploy/rabbitmq/rabbitmq.conf").read_text()
    assert here.split("\n")[:-1] == [line for line in there.split("\n") if line and not line.startswith("#")]


def test_nothing_reaches_a_pod_but_what_is_listed() -> None:
    """A policy that denies everything, and the others open a door each."""
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind("NetworkPolicy")}
    nothing = policies["carillon-nothing-else"]
    assert nothing["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in nothing
    assert "egress" not in nothing
    internet = [name for name, spec in policies.items() if "0.0.0.0/0" in str(spec)]
    assert internet == ["carillon-fcm"]
    assert policies["carillon-fcm"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "sender"


def test_every_secret_is_one_that_the_base_lists() -> None:
    """What an operator has to make is said in one place."""
    listed = (ROOT / "base" / "kustomization.yaml").read_text()
    for workload in [*of_kind("Deployment"), *of_kind("Job")]:
        for volume in pod(workload)["volumes"]:
            if "secret" in volume:
                assert f"#   {volume['secret']['secretName']} " in listed
    assert documents(ROOT / "base" / "kustomization.yaml")
