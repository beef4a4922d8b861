"""What the operators' resources may hold, as far as ours go: a misspelt field is an error here, not on the cluster.

Named after their custom resource definitions: RabbitMQ's cluster and topology operators (rabbitmq.com/v1beta1), KEDA
(keda.sh/v1alpha1), the Prometheus operator (monitoring.coreos.com/v1).
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """No field but these."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Named(Strict):
    """A reference by name."""

    name: str


class InCluster(Strict):
    """What every resource of the topology operator says."""

    rabbitmqClusterReference: Named  # noqa: N815 - Kubernetes' spelling, here and below


class Vhost(InCluster):
    """Its name is not the resource's."""

    name: str


class Exchange(InCluster):
    """An exchange."""

    name: str
    vhost: str
    type: Literal["topic", "direct", "fanout", "headers"]
    durable: bool


class Queue(InCluster):
    """A queue; its type is no argument here."""

    name: str
    vhost: str
    type: Literal["quorum", "classic", "stream"]
    durable: bool
    arguments: dict[str, str | int] = {}


class Binding(InCluster):
    """A binding; immutable."""

    vhost: str
    source: str
    destination: str
    destinationType: Literal["queue", "exchange"]  # noqa: N815
    routingKey: str  # noqa: N815


class Policy(InCluster):
    """A policy."""

    name: str
    vhost: str
    pattern: str
    applyTo: Literal["queues", "classic_queues", "quorum_queues", "exchanges", "all"]  # noqa: N815
    priority: int
    definition: dict[str, str | int]


class User(InCluster):
    """A user, whose password comes from a Secret."""

    importCredentialsSecret: Named  # noqa: N815
    tags: list[Literal["management", "policymaker", "monitoring", "administrator"]] = []


class Patterns(Strict):
    """Regular expressions."""

    configure: str
    write: str
    read: str


class Permission(InCluster):
    """A user's rights in a vhost."""

    vhost: str
    userReference: Named  # noqa: N815
    permissions: Patterns


class RabbitConfiguration(Strict):
    """What goes into the nodes' files."""

    additionalPlugins: list[str]  # noqa: N815
    additionalConfig: str  # noqa: N815


class Persistence(Strict):
    """The nodes' disks."""

    storage: str


class RabbitmqCluster(Strict):
    """A cluster of nodes."""

    replicas: int = Field(ge=1)
    image: str
    persistence: Persistence
    terminationGracePeriodSeconds: int  # noqa: N815
    resources: dict[Literal["requests", "limits"], dict[Literal["cpu", "memory"], str]]
    rabbitmq: RabbitConfiguration
    affinity: dict[str, Any]


class RabbitTrigger(Strict):
    """KEDA's rabbitmq scaler; all its values are text."""

    protocol: Literal["http", "amqp", "auto"]
    mode: Literal["QueueLength", "MessageRate"]
    queueName: str  # noqa: N815
    vhostName: str  # noqa: N815
    value: str
    excludeUnacknowledged: Literal["true", "false"]  # noqa: N815


class Trigger(Strict):
    """What is looked at to scale."""

    type: Literal["rabbitmq"]
    metadata: RabbitTrigger
    authenticationRef: Named  # noqa: N815


class ScaledObject(Strict):
    """What is scaled by what, between which bounds."""

    scaleTargetRef: Named  # noqa: N815
    minReplicaCount: int = Field(ge=0)  # noqa: N815
    maxReplicaCount: int = Field(ge=1)  # noqa: N815
    pollingInterval: int  # noqa: N815
    cooldownPeriod: int  # noqa: N815
    advanced: dict[Literal["horizontalPodAutoscalerConfig"], dict[Literal["behavior"], dict[str, Any]]]
    triggers: list[Trigger]


class SecretTarget(Strict):
    """A scaler's parameter from a Secret's key."""

    parameter: str
    name: str
    key: str


class TriggerAuthentication(Strict):
    """How a scaler logs in."""

    secretTargetRef: list[SecretTarget]  # noqa: N815


class Relabeling(Strict):
    """A label from the pod's."""

    sourceLabels: list[str]  # noqa: N815
    targetLabel: str  # noqa: N815
    replacement: str


class Endpoint(Strict):
    """A port that is scraped."""

    port: str
    interval: str
    path: str = "/metrics"
    params: dict[str, list[str]] = {}
    relabelings: list[Relabeling] = []


class PodMonitor(Strict):
    """Pods that are scraped."""

    selector: dict[str, Any]
    podMetricsEndpoints: list[Endpoint]  # noqa: N815


class Rule(Strict):
    """An alert or a recorded series."""

    expr: str
    alert: str | None = None
    record: str | None = None
    for_: str | None = Field(None, alias="for")
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class RuleGroup(Strict):
    """Rules evaluated together."""

    name: str
    rules: list[Rule]


class PrometheusRule(Strict):
    """Alerts of the Prometheus operator."""

    groups: list[RuleGroup]


CUSTOM: dict[tuple[str, str], type[Strict]] = {
    **{
        ("rabbitmq.com/v1beta1", kind.__name__): kind
        for kind in (Vhost, Exchange, Queue, Binding, Policy, User, Permission, RabbitmqCluster)
    },
    **{("keda.sh/v1alpha1", kind.__name__): kind for kind in (ScaledObject, TriggerAuthentication)},
    **{("monitoring.coreos.com/v1", kind.__name__): kind for kind in (PodMonitor, PrometheusRule)},
}
"""By API version and kind: the model of `spec`."""
