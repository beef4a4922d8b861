"""Projects, devices, campaigns, batches, outbox and events."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    # One row per FCM project: the quota governor's clock lives here, in seconds of PostgreSQL's own time.
    """
    create table project (
        id           text primary key check (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
        rate         float8 not null default 10000 check (rate > 0),
        tat          float8 not null default 0,
        tat_high     float8 not null default 0,
        tat_normal   float8 not null default 0,
        tat_low      float8 not null default 0,
        paused_until float8 not null default 0,
        ramp_from    float8 not null default 0,
        cut_rate     float8,
        cut_at       float8 not null default 0,
        circuit_reason   text,
        circuit_probe_at float8 not null default 0,
        circuit_failures integer not null default 0,
        stopped_platforms jsonb not null default '{}',
        created_at   timestamptz not null default now()
    )
    """,
    "insert into project (id) values ('default')",
    # target_hash: the first 16 bytes of SHA-256 over kind and value. Unique in its place; guards deactivation.
    """
    create table device (
        id          bigint generated always as identity primary key,
        project_id  text not null references project (id),
        user_id     text not null,
        platform    text not null check (platform in ('android', 'ios', 'web')),
        target_kind text not null check (target_kind in ('token', 'fid')),
        target      text not null,
        target_hash bytea not null unique,
        active      boolean not null default true,
        created_at  timestamptz not null default now(),
        updated_at  timestamptz not null default now()
    )
    """,
    "create index device_user on device (user_id)",
    """
    create table campaign (
        id           bigint generated always as identity primary key,
        title        text not null,
        content      jsonb not null,
        audience     jsonb not null,
        priority     text not null check (priority in ('high', 'normal', 'low')),
        ttl_seconds  integer not null,
        delivery     text not null check (delivery in ('at_least_once', 'at_most_once')),
        max_attempts integer not null check (max_attempts between 1 and 20),
        rate         float8 check (rate > 0),
        created_by   text not null default '',
        created_at   timestamptz not null default now(),
        scheduled_at timestamptz,
        status       text not null default 'draft' check (status in
            ('draft', 'scheduled', 'sending', 'paused', 'cancelling', 'completed', 'cancelled', 'failed')),
        sent_at      timestamptz,
        deadline     timestamptz,
        planned_at   timestamptz,
        completed_at timestamptz,
        progress_at  timestamptz not null default '-infinity',
        stopped      jsonb,
        campaign_seq bigint not null default 0,
        total        bigint not null default 0,
        not_planned  bigint not null default 0,
        pending      bigint not null default 0,
        skipped      bigint not null default 0,
        cancelled    bigint not null default 0,
        expired      bigint not null default 0,
        dead         bigint not null default 0,
        unknown      bigint not null default 0,
        rejected     bigint not null default 0,
        unregistered bigint not null default 0,
        accepted     bigint not null default 0,
        constraint conservation check (
            total = pending + skipped + cancelled + expired + dead + unknown + rejected + unregistered + accepted)
    ) with (fillfactor = 50)
    """,
    "create index campaign_active on campaign (id) where status in ('sending', 'paused', 'cancelling')",
    "create index campaign_due on campaign (scheduled_at) where status = 'scheduled'",
    """
    create table campaign_plan (
        campaign_id   bigint primary key references campaign (id) on delete cascade,
        cursor        bigint not null default 0,
        max_id        bigint not null,
        seq           bigint not null default 0,
        next_batch_no integer not null default 0,
        done          boolean not null default false,
        touched_at    timestamptz not null default now()
    ) with (fillfactor = 50)
    """,
    # The clock of a campaign's own rate, apart from the planner's row: a claim must never make a planning step skip.
    """
    create table campaign_pace (
        campaign_id bigint primary key references campaign (id) on delete cascade,
        tat         float8 not null default 0
    ) with (fillfactor = 50)
    """,
    # due_at: from when a sweep may act on the row if nothing has moved it. since: when it came into its state.
    """
    create table campaign_batch (
        campaign_id bigint not null references campaign (id) on delete cascade,
        batch_no    integer not null,
        lane        text not null,
        project_id  text not null,
        size        smallint not null,
        state       text not null default 'planned' check (state in
            ('planned', 'queued', 'claimed', 'waiting', 'reported', 'finished')),
        epoch       integer not null default 0,
        outcomes    text not null,
        reported    text not null,
        report      jsonb,
        attempt     smallint not null default 0,
        lost        smallint not null default 0,
        doubt       boolean not null default false,
        first_id    bigint not null,
        last_id     bigint not null,
        holder      text,
        lease_until float8,
        due_at      timestamptz not null default now(),
        since       timestamptz not null default now(),
        finished_at timestamptz,
        primary key (campaign_id, batch_no)
    ) with (fillfactor = 60)
    """,
    "create index campaign_batch_open on campaign_batch (campaign_id, state, batch_no) where state <> 'finished'",
    "create index campaign_batch_due on campaign_batch (due_at) where state <> 'finished'",
    """
    create table campaign_batch_devices (
        campaign_id bigint not null,
        batch_no    integer not null,
        ids         bigint[] not null,
        primary key (campaign_id, batch_no),
        foreign key (campaign_id, batch_no) references campaign_batch on delete cascade
    )
    """,
    """
    create table campaign_error (
        campaign_id bigint not null references campaign (id) on delete cascade,
        code        text not null,
        count       bigint not null default 0,
        sample      text not null default '',
        primary key (campaign_id, code)
    )
    """,
    """
    create table campaign_event (
        campaign_id  bigint not null references campaign (id) on delete cascade,
        campaign_seq bigint not null,
        name         text not null,
        at           timestamptz not null default now(),
        data         jsonb not null default '{}',
        primary key (campaign_id, campaign_seq)
    )
    """,
    """
    create table outbox (
        id          bigint generated always as identity primary key,
        kind        text not null check (kind in ('command', 'event')),
        exchange    text not null,
        routing_key text not null,
        type        text not null,
        correlation text not null,
        body        text not null,
        created_at  timestamptz not null default clock_timestamp()
    ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
    """,
    "create index outbox_kind on outbox (kind, id)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
