"""What operators do to campaigns and ask of their results."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS: tuple[str, ...] = (
    # "Stop everything" remembers itself, so that its undoing resumes what it paused and nothing else.
    """
    create table stop (
        id         bigint generated always as identity primary key,
        scope      text not null check (scope in ('system', 'project')),
        project_id text references project (id) check ((scope = 'project') = (project_id is not null)),
        reason     text not null default '',
        created_by text not null default '',
        created_at timestamptz not null default clock_timestamp(),
        undone_at  timestamptz
    )
    """,
    # kind: a test goes to one device or user, a dry run asks FCM to validate only; both are campaigns of the ledger.
    # revision: counts changes of what an operator writes; an ETag. steered: counts those that holders must see at once.
    """
    alter table campaign
        add column kind text not null default 'campaign' check (kind in ('campaign', 'test', 'dry_run')),
        add column parent_id bigint references campaign (id) on delete set null,
        add column schedule_zone text,
        add column revision integer not null default 0,
        add column steered integer not null default 0,
        add column stop_id bigint references stop (id)
    """,
    "create index campaign_parent on campaign (parent_id) where parent_id is not null",
    "create index campaign_stopped on campaign (stop_id) where stop_id is not null",
    # A batch holds a device when its ids do: the ranges alone leave a handful of a campaign's batches to look into.
    "create index campaign_batch_range on campaign_batch (campaign_id, last_id) include (first_id, batch_no)",
    # tx: the transaction that wrote the event. Readers of all campaigns' events go by it and only as far as no
    # transaction that is still open could write behind them: an identity column would let them skip a late commit.
    "alter table campaign_event add column tx xid8 not null default pg_current_xact_id()",
    "create index campaign_event_order on campaign_event (tx, campaign_id, campaign_seq)",
)


def upgrade() -> None:
    """Apply the statements."""
    for statement in STATEMENTS:
        op.execute(statement)
