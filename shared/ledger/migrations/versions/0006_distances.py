"""A batch keeps its devices as distances from its first id: two bytes each where they are near, else eight, compressed.

It writes the table anew and locks it meanwhile; whoever reads `ids` fails afterwards. Services are stopped first.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    "alter table campaign_batch_devices rename to campaign_batch_devices_before",
    "alter index campaign_batch_devices_pkey rename to campaign_batch_devices_before_pkey",
    """
    create table campaign_batch_devices (
        campaign_id bigint not null,
        batch_no    integer not null,
        near        smallint[],
        far         bigint[],
        primary key (campaign_id, batch_no),
        check (num_nonnulls(near, far) = 1)
    )
    """,
    # Near ones differ in every byte: trying to compress them costs more than all the rest of planning.
    "alter table campaign_batch_devices alter column near set storage external",
    """
    insert into campaign_batch_devices (campaign_id, batch_no, near, far)
    select v.campaign_id, v.batch_no,
           case when b.last_id - b.first_id < 32768 then
                array(select (id - b.first_id)::smallint
                        from unnest(v.ids) with ordinality as t (id, n) order by n) end,
           case when b.last_id - b.first_id >= 32768 then
                array(select id - b.first_id
                        from unnest(v.ids) with ordinality as t (id, n) order by n) end
      from campaign_batch_devices_before v join campaign_batch b using (campaign_id, batch_no)
    """,
    "drop table campaign_batch_devices_before",
    """
    alter table campaign_batch_devices
      add foreign key (campaign_id, batch_no) references campaign_batch on delete cascade
    """,
    """
    create view campaign_batch_distances as
    select campaign_id, batch_no, coalesce(near::bigint[], far) as distances from campaign_batch_devices
    """,
)


def upgrade() -> None:
    """Apply the statements."""
    for statement in STATEMENTS:
        op.execute(statement)
