"""One place names the versions, of Carillon and of servers; who must repeat them says the same."""

import importlib
import re
import tomllib
from typing import Any

import yaml

from deploy.local.folders import REPOSITORY
from deploy.versions import BOOKWORM, ON, POSTGRES_IMAGE, RABBITMQ_IMAGE, SID, TRIXIE
from shared.version import VERSION


def read(path: str) -> str:
    """A file of the repository."""
    return (REPOSITORY / path).read_text()


def test_the_image_is_labelled_with_carillons_version() -> None:
    """And with its title and licence, as the Open Container Initiative names them."""
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', read("deploy/Dockerfile")))
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert labels["version"] == VERSION
    assert labels["title"] == "Carillon"
    assert labels["licenses"] == project["license"]


def test_kubernetes_starts_and_labels_carillons_version() -> None:
    """The tag of the image in production; the label on every object and pod of ours."""
    production = yaml.safe_load(read("deploy/kubernetes/overlays/production/kustomization.yaml"))
    assert [(image["name"], image["newTag"]) for image in production["images"]] == [("carillon", VERSION)]
    labels = yaml.safe_load(read("deploy/kubernetes/base/kustomization.yaml"))["labels"]
    assert {"pairs": {"app.kubernetes.io/version": VERSION}, "includeTemplates": True} in labels


def test_the_project_takes_its_version_from_the_module() -> None:
    """So that no installed package can say another one."""
    project = tomllib.loads(read("pyproject.toml"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    module, _, name = project["tool"]["setuptools"]["dynamic"]["version"]["attr"].rpartition(".")
    assert getattr(importlib.import_module(module), name) == VERSION


def test_compose_names_the_tested_images() -> None:
    """Unless its user names others."""
    services: dict[str, Any] = yaml.safe_load(read("compose.yaml"))["services"]
    assert services["rabbitmq"]["image"] == f"${{RABBITMQ_IMAGE:-{RABBITMQ_IMAGE}}}"
    assert services["postgres"]["image"] == f"${{POSTGRES_IMAGE:-{POSTGRES_IMAGE}}}"
    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"], "18 and later: all major versions in it"


def test_kubernetes_names_the_tested_image() -> None:
    """Of RabbitMQ, for its operator; PostgreSQL is somebody else's there."""
    documents = yaml.safe_load_all(read("deploy/kubernetes/rabbitmq/cluster.yaml"))
    assert [it["spec"]["image"] for it in documents if it["kind"] == "RabbitmqCluster"] == [RABBITMQ_IMAGE]


def test_the_images_are_pinned_to_a_series() -> None:
    """A tag that moves to the next series breaks who kept a volume."""
    assert re.fullmatch(r"rabbitmq:\d+\.\d+-management", RABBITMQ_IMAGE)
    assert re.fullmatch(r"postgres:\d+", POSTGRES_IMAGE)


def test_the_manual_names_them() -> None:
    """`./run help`: the image, and what `./run on` takes."""
    manual = read("run")
    assert f"({RABBITMQ_IMAGE})" in manual
    assert all(name in manual for name in ON)


def test_the_operators_guide_has_the_table() -> None:
    """Every image and suite with what it holds."""
    guide = read("docs/operator-guide/upgrades.md")
    assert f"`{RABBITMQ_IMAGE}`, `{POSTGRES_IMAGE}`" in guide
    for suite in (BOOKWORM, TRIXIE, SID):
        assert f"| {suite.rabbitmq} | {suite.erlang} | {suite.postgresql} | Debian `{suite.name}`" in guide


def test_no_other_file_floats() -> None:
    """Neither of the tags that were there before."""
    for path in (*REPOSITORY.glob("*.yaml"), *(REPOSITORY / "deploy").rglob("*.y*ml"), REPOSITORY / "run"):
        text = path.read_text()
        assert "rabbitmq:4-management" not in text, path
        assert "postgres:17" not in text, path
