"""The context of a trace beside what waits in the outbox."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply the statement."""
    op.execute("alter table outbox add column traceparent text")
