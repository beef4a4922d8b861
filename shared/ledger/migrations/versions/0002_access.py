"""API keys, the audit log, idempotency and heartbeats; what a request and a quota leave behind."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS: tuple[str, ...] = (
    # digest: SHA-256 of the key, which is 256 random bits and kept nowhere. Revoked keys stay, for the audit log.
    """
    create table api_key (
        id           bigint generated always as identity primary key,
        name         text not null,
        role         text not null check (role in ('viewer', 'operator', 'admin', 'ingest')),
        digest       bytea not null unique,
        prefix       text not null,
        rate         float8 check (rate > 0),
        created_at   timestamptz not null default now(),
        created_by   text not null,
        expires_at   timestamptz,
        last_used_at timestamptz,
        revoked_at   timestamptz
    )
    """,
    # key_id 0: the operator key of the environment, which has no row in api_key. So no foreign key.
    """
    create table audit_log (
        id         bigint generated always as identity primary key,
        at         timestamptz not null default clock_timestamp(),
        key_id     bigint not null,
        key_name   text not null,
        role       text not null,
        method     text not null,
        route      text not null,
        resource   text not null,
        request_id text not null,
        before     jsonb,
        after      jsonb
    )
    """,
    "create index audit_log_at on audit_log (at)",
    "create index audit_log_resource on audit_log (resource, id)",
    # holder: the attempt that may take effect. status null: under way. resource: set in the transaction of the change.
    # ended: nothing more will come; without a status the change's answer was lost.
    """
    create table idempotency (
        key_id      bigint not null,
        key         text not null,
        fingerprint bytea not null,
        holder      text not null,
        resource    text,
        ended       boolean not null default false,
        status      smallint,
        headers     jsonb,
        body        bytea,
        created_at  timestamptz not null default clock_timestamp(),
        primary key (key_id, key)
    ) with (fillfactor = 70)
    """,
    "create index idempotency_at on idempotency (created_at)",
    # Unlogged: written every few seconds by every process, and worth nothing after a crash of the server.
    """
    create unlogged table heartbeat (
        instance   text primary key,
        service    text not null,
        version    text not null,
        host       text not null,
        started_at timestamptz not null,
        seen_at    timestamptz not null default clock_timestamp(),
        every      float8 not null,
        in_flight  integer not null,
        rate       float8 not null
    ) with (fillfactor = 50)
    """,
    # The request that caused the message; it goes on in the header `carillon-request-id`.
    "alter table outbox add column request_id text",
    # A count by minute of PostgreSQL's clock, for people to see how much of the quota is used.
    """
    alter table project
        add column booked_minute bigint not null default 0,
        add column booked_now    bigint not null default 0,
        add column booked_before bigint not null default 0,
        add column last_error    text,
        add column last_error_at float8
    """,
    # From when on a campaign's batches, devices and events are gone; its counters stay.
    "alter table campaign add column ledger_deleted_at timestamptz",
    """
    create index campaign_ended on campaign (completed_at)
     where status in ('completed', 'cancelled', 'failed') and ledger_deleted_at is null
    """,
)


def upgrade() -> None:
    """Apply the statements."""
    for statement in STATEMENTS:
        op.execute(statement)
