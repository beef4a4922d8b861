"""Every manifest by its schema, alone and as the overlays apply it."""

from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest

from deploy.kubernetes import rules, topology
from tests.unit.deploy.kubernetes.custom import CUSTOM
from tests.unit.deploy.kubernetes.rendering import OVERLAYS, ROOT, Resource, documents, render

VERSIONS = ("1.31", "1.37")
"""The oldest and the newest Kubernetes that the manifests are for."""

MANIFESTS = sorted(path for path in ROOT.rglob("*.yaml") if path.name != "kustomization.yaml")


def check(resource: Resource) -> None:
    """Raise when a resource is not what its kind allows; unknown fields and unknown kinds are errors too."""
    model = CUSTOM.get((resource["apiVersion"], resource["kind"]))
    if model is not None:
        assert set(resource) == {"apiVersion", "kind", "metadata", "spec"}
        model.model_validate(resource["spec"])
        return
    for version in VERSIONS:
        kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_manifest_is_valid(path: Path) -> None:
    """By Kubernetes' own schemas, strictly; custom resources by their definitions."""
    assert documents(path)
    for resource in documents(path):
        check(resource)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_an_overlay_is_valid_after_its_patches(overlay: Path) -> None:
    """And every patch of it matched something."""
    resources = render(overlay)
    for resource in resources:
        check(resource)
    names = [(resource["kind"], resource["metadata"]["name"]) for resource in resources]
    assert len(set(names)) == len(names)


def test_every_manifest_is_part_of_an_overlay() -> None:
    """A file that no kustomization lists is applied by nobody."""
    listed = set()
    for kustomization in ROOT.rglob("kustomization.yaml"):
        plan = documents(kustomization)[0]
        listed |= {(kustomization.parent / entry).resolve() for entry in plan.get("resources", [])}
    assert {path for path in MANIFESTS if path not in listed} == set()


def test_the_topology_s_resources_are_the_code_s() -> None:
    """Write them anew with `python -m deploy.kubernetes.topology`."""
    assert topology.FILE.read_text() == topology.as_yaml()


def test_the_alerts_are_those_of_prometheus() -> None:
    """Write them anew with `python -m deploy.kubernetes.rules`."""
    assert rules.FILE.read_text() == rules.as_yaml()
