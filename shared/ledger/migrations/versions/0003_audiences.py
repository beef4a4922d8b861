"""Device attributes, segments, lists, suppression and imports."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS: tuple[str, ...] = (
    # app_version_order: the version so that bytes compare as versions do, null when it is none. moved_at: when the
    # target last changed hands. attributes: null when there are none, so that plain devices cost the index nothing.
    """
    alter table device
        add column locale            text,
        add column time_zone         text,
        add column app_version       text,
        add column app_version_order bytea,
        add column attributes        jsonb,
        add column last_seen         timestamptz not null default now(),
        add column moved_at          timestamptz
    """,
    # Without the pending list: a device's upsert pays for itself (20 µs) and never for four megabytes of others'.
    """
    create index device_attributes on device using gin (attributes jsonb_path_ops)
      with (fastupdate = off) where attributes is not null
    """,
    # personal: the audience is of users, so a device that has become another user's meanwhile is none of it.
    "alter table campaign add column personal boolean not null default false",
    # sealed_at: a campaign was sent to it; from then on nobody is added.
    """
    create table audience_list (
        id           bigint generated always as identity primary key,
        name         text not null,
        state        text not null default 'loading' check (state in ('loading', 'ready', 'discarded')),
        size         bigint not null default 0,
        created_by   text not null,
        created_at   timestamptz not null default now(),
        completed_at timestamptz,
        sealed_at    timestamptz
    )
    """,
    # No foreign key: a trigger for each of 10,000,000 rows. Whoever adds holds the list's row.
    """
    create table audience_list_member (
        list_id bigint not null,
        user_id text not null,
        primary key (list_id, user_id)
    )
    """,
    """
    create table segment (
        id         bigint generated always as identity primary key,
        name       text not null unique,
        filter     jsonb not null,
        revision   integer not null default 1,
        created_by text not null,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now()
    )
    """,
    """
    create table suppressed_user (
        id         bigint generated always as identity unique,
        user_id    text primary key,
        reason     text not null,
        created_by text not null,
        created_at timestamptz not null default now()
    )
    """,
    # By the target's hash: a device that is deleted and registered again stays suppressed.
    """
    create table suppressed_device (
        id          bigint generated always as identity unique,
        target_hash bytea primary key,
        reason      text not null,
        created_by  text not null,
        created_at  timestamptz not null default now()
    )
    """,
    # lines: how far the body was taken, committed with its devices. holder: the request that may write now.
    """
    create table import_job (
        id           bigint generated always as identity primary key,
        name         text not null,
        format       text not null check (format in ('ndjson', 'csv')),
        state        text not null default 'waiting' check (state in ('waiting', 'running', 'interrupted', 'done')),
        holder       text,
        lines        bigint not null default 0,
        received     bigint not null default 0,
        registered   bigint not null default 0,
        rejected     bigint not null default 0,
        problem      text,
        created_by   text not null,
        created_at   timestamptz not null default now(),
        started_at   timestamptz,
        touched_at   timestamptz not null default now(),
        completed_at timestamptz
    ) with (fillfactor = 50)
    """,
    """
    create table import_rejected (
        import_id bigint not null references import_job (id) on delete cascade,
        line      bigint not null,
        problem   text not null,
        content   text not null,
        primary key (import_id, line)
    )
    """,
)


def upgrade() -> None:
    """Apply the statements."""
    for statement in STATEMENTS:
        op.execute(statement)
