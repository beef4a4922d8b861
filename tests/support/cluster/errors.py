"""What can go wrong with a cluster.

LocalStackError
└── ClusterError      the cluster did not do what was asked of it
    └── NoClusterError  this machine cannot have one
"""

from deploy.local.errors import LocalStackError


class ClusterError(LocalStackError):
    """Raised when nodes do not join, do not follow, or a command about them fails; says which and why."""


class NoClusterError(ClusterError):
    """Raised where there is no root, no Linux, no `ip` or no packaged RabbitMQ; says what to do."""
