"""compose.yaml: what it names exists, and what it promises holds."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.folders import REPOSITORY
from shared.config import Settings
from shared.topology import Lane
from shared.topology.access import USERS
from tests.support.settings_manual import variables

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
WORKERS = {name: service for name, service in OURS.items() if service["restart"] != "no" and "profiles" not in service}


def seconds(span: str) -> float:
    """Compose's durations, as far as they are seconds."""
    return float(span.removesuffix("s"))


def test_everything_of_the_stack_is_there() -> None:
    """Servers, one-shot jobs, services, a sender for each lane; the emulator and the watchers on request."""
    always = {name for name, service in SERVICES.items() if "profiles" not in service}
    senders = {f"sender-{lane}" for lane in Lane}
    assert always == {"postgres", "rabbitmq", "migrate", "topology", "api", "planner", "aggregator"} | senders
    on_request = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert on_request == {"fcm-emulator": ["demo"], "prometheus": ["watch"], "grafana": ["watch"]}


@pytest.mark.parametrize("name", OURS)
def test_a_service_s_environment_holds_only_settings_that_exist(name: str) -> None:
    """A misspelt variable is silently a default; and no secret is in the environment."""
    environment = OURS[name].get("environment", {})
    # Traces have no class of settings: see docs/operator-guide/watching.md.
    assert set(environment) <= variables()
    assert not {"CARILLON_DATABASE_URL", "CARILLON_AMQP_URL", "CARILLON_OPERATOR_KEY"} & set(environment)


@pytest.mark.parametrize("lane", Lane)
def test_a_sender_serves_its_own_lane(lane: Lane) -> None:
    """And no other."""
    assert SERVICES[f"sender-{lane}"]["environment"]["CARILLON_LANES"] == str(lane)


@pytest.mark.parametrize("name", OURS)
def test_a_container_has_no_more_than_it_needs(name: str) -> None:
    """No root file system to write, no capability, memory with a limit, logs that rotate."""
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "mem_limit" in service
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", WORKERS)
def test_a_service_is_watched_and_drains_before_it_is_killed(name: str) -> None:
    """It starts after its servers are healthy and its jobs are done, and comes back when it dies."""
    service = WORKERS[name]
    assert service["healthcheck"]["test"][-2:] == ["shared.observability.healthcheck", "ready"]
    assert service["restart"] == "unless-stopped"
    assert seconds(service["stop_grace_period"]) > Settings.model_fields["drain_timeout"].default
    conditions = {dependency: found["condition"] for dependency, found in service["depends_on"].items()}
    assert conditions == {
        "postgres": "service_healthy",
        "rabbitmq": "service_healthy",
        "migrate": "service_completed_successfully",
        "topology": "service_completed_successfully",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_tag_and_what_is_mounted_exists(name: str) -> None:
    """`latest` only for the image that is built here."""
    image = re.fullmatch(r"\$\{\w+:-([\w./-]+):([\w.-]+)\}", SERVICES[name]["image"])
    assert image is not None
    assert (image[2] == "latest") == (name in OURS)
    for volume in SERVICES[name].get("volumes", []):
        source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
        if source.startswith("./") and not source.startswith("./secrets/"):
            assert (REPOSITORY / source).exists()
        elif not source.startswith("."):
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_to_this_machine_only(name: str) -> None:
    """Whoever wants more says so in the environment."""
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"\$\{\w+_PORT:-127\.0\.0\.1:\d+\}:\d+", port)


def test_both_kinds_of_compose_can_read_it() -> None:
    """What only one of them knows is not used."""
    assert set(COMPOSE) - {key for key in COMPOSE if key.startswith("x-")} == {"services", "volumes", "secrets"}
    newer = {"develop", "deploy", "configs", "models", "provider", "include", "pull_policy", "env_file"}
    for service in SERVICES.values():
        assert not newer & set(service)
        assert not [entry for entry in service.get("volumes", []) if not isinstance(entry, str)]


@pytest.mark.parametrize("path", ["compose.yaml", "docs/operator-guide/install.md", "docs/operator-guide/upgrades.md"])
def test_the_image_is_built_before_anything_starts(path: str) -> None:
    """By itself: what `up --build` makes has an id for each service, and the next `up` replaces every container."""
    text = (REPOSITORY / path).read_text()
    commands = re.findall(r"^(?:#   )?docker compose .*", text, re.MULTILINE)
    assert not [command for command in commands if "--build" in command]
    first = {kind: text.index(f"docker compose {kind}") for kind in ("build", "up")}
    assert first["build"] < first["up"]


def test_every_secret_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    """By deploy/compose/make-secrets; a second run leaves all as it was, or nobody could log in any more."""
    folder = tmp_path / "secrets"
    script = REPOSITORY / "deploy" / "compose" / "make-secrets"
    contents = []
    for _ in range(2):
        subprocess.run([script, folder], check=True, capture_output=True)  # noqa: S603 - ours
        contents.append({path: path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()})
    assert contents[0] == contents[1]
    assert folder.stat().st_mode & 0o077 == 0
    made = {str(path.relative_to(folder)) for path in contents[0]}
    mounted = {secret["file"].removeprefix("./secrets/compose/") for secret in COMPOSE["secrets"].values()}
    assert mounted <= made
    assert {f"broker/{user.name}" for user in USERS} <= made
    assert all(len(value) >= 32 for value in contents[0].values())
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
