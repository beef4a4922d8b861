"""An overlay as kubectl would apply it, for the part of kustomize that ours use; anything else is an error.

Resources, components, JSON patches by kind, name or label, `$patch: delete`, images, replicas and the namespace.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy.local.folders import REPOSITORY

Resource = dict[str, Any]

ROOT = REPOSITORY / "deploy" / "kubernetes"
OVERLAYS = sorted(path.parent for path in ROOT.glob("overlays/*/kustomization.yaml"))
_KNOWN = {"apiVersion", "kind", "labels", "namespace", "resources", "components", "images", "replicas", "patches"}
_CLUSTER_WIDE = {"Namespace"}


class RenderingError(Exception):
    """Raised when a kustomization does what it does not seem to, such as a patch that matches nothing."""


def documents(path: Path) -> list[Resource]:
    """Every document of a file."""
    return [found for found in yaml.safe_load_all(path.read_text()) if found is not None]


def render(folder: Path) -> list[Resource]:
    """Every resource of a kustomization."""
    resources = list(_collected(folder))
    plan = _plan(folder)
    for patch in plan.get("patches", []):
        _patch(resources, patch)
    images = {image["name"]: f"{image['newName']}:{image['newTag']}" for image in plan.get("images", [])}
    counts = {entry["name"]: entry["count"] for entry in plan.get("replicas", [])}
    for resource in resources:
        if counts and resource["kind"] == "Deployment" and resource["metadata"]["name"] in counts:
            resource["spec"]["replicas"] = counts[resource["metadata"]["name"]]
        for container in containers(resource):
            container["image"] = images.get(container["image"], container["image"])
        if "namespace" in plan and resource["kind"] not in _CLUSTER_WIDE:
            resource["metadata"]["namespace"] = plan["namespace"]
    return resources


def containers(resource: Resource) -> list[Resource]:
    """The containers that a workload starts; none for anything else."""
    found: list[Resource] = resource.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    return found


def _plan(folder: Path) -> Resource:
    plan = documents(folder / "kustomization.yaml")[0]
    if not set(plan) <= _KNOWN:
        raise RenderingError(f"{folder.name}: this knows nothing of {set(plan) - _KNOWN}")
    return plan


def _collected(folder: Path) -> Iterator[Resource]:
    plan = _plan(folder)
    for entry in [*plan.get("resources", []), *plan.get("components", [])]:
        path = (folder / entry).resolve()
        if path.is_dir():
            yield from render(path)
        else:
            yield from documents(path)


def _patch(resources: list[Resource], patch: Resource) -> None:
    matched = [resource for resource in resources if _matches(resource, patch["target"])]
    if not matched:
        raise RenderingError(f"a patch matches nothing: {patch['target']}")
    changes = yaml.safe_load(patch["patch"])
    if isinstance(changes, dict):
        if changes.get("$patch") != "delete":
            raise RenderingError("only deletion is known as a strategic patch")
        resources[:] = [resource for resource in resources if resource not in matched]
        return
    for resource in matched:
        for change in changes:
            _apply(resource, copy.deepcopy(change))


def _matches(resource: Resource, target: Resource) -> bool:
    labels = resource["metadata"].get("labels", {})
    return (
        resource["kind"] == target["kind"]
        and target.get("name", resource["metadata"]["name"]) == resource["metadata"]["name"]
        and ("labelSelector" not in target or target["labelSelector"] in labels)
    )


def _apply(resource: Resource, change: Resource) -> None:
    *way, last = change["path"].removeprefix("/").split("/")
    at: Any = resource
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    key = int(last) if isinstance(at, list) else last
    if change["op"] == "add":
        at[key] = change["value"]
        return
    if isinstance(at, dict) and key not in at:
        raise RenderingError(f"nothing to {change['op']} at {change['path']}")
    if change["op"] == "remove":
        del at[key]
    else:
        at[key] = change["value"]
