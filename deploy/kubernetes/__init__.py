"""Carillon on Kubernetes: a kustomize base, components for what needs an operator, two overlays.

In: the topology and the alerts, from which `topology` and `rules` write the custom resources beside them.
Reading order: `base/kustomization.yaml`, `base/sender.yaml`, `scaling`, `rabbitmq`, `overlays/production`.
"""
