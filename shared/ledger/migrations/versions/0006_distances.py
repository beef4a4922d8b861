"""A batch keeps its devices as distances from its first id: two bytes each where they are near, else eight, compressed.

Services of the version before go on meanwhile and afterwards: `campaign_batch_devices` is a view that says ids to who
reads it, and takes them from who writes. They wait while what is there is written anew, 0.2 s a million devices.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

_NEAR = "case when last_id - first_id < 32768 then array(select distance::smallint from ({distances}) as d) end"
_FAR = "case when last_id - first_id >= 32768 then array({distances}) end"
_OF_IDS = "select id - first_id as distance from unnest(ids) with ordinality as t (id, n) order by n"

STATEMENTS = (
    # In the order in which services take them: one that has a batch comes for its devices next.
    "lock table campaign_batch, campaign_batch_devices in access exclusive mode",
    """
    create table campaign_batch_member (
        campaign_id bigint not null,
        batch_no    integer not null,
        near        smallint[],
        far         bigint[],
        primary key (campaign_id, batch_no),
        check (num_nonnulls(near, far) = 1)
    )
    """,
    f"""
    insert into campaign_batch_member (campaign_id, batch_no, near, far)
    select campaign_id, batch_no, {_NEAR.format(distances=_OF_IDS)}, {_FAR.format(distances=_OF_IDS)}
      from campaign_batch_devices join campaign_batch using (campaign_id, batch_no)
    """,  # noqa: S608 - pieces of this module
    "drop table campaign_batch_devices",
    # Deferred, because the version before writes batch and devices in one statement and this one by the view's trigger.
    """
    alter table campaign_batch_member
      add foreign key (campaign_id, batch_no) references campaign_batch on delete cascade
          deferrable initially deferred
    """,
    """
    create view campaign_batch_distances as
    select campaign_id, batch_no, coalesce(near::bigint[], far) as distances from campaign_batch_member
    """,
    """
    create view campaign_batch_devices as
    select campaign_id, batch_no,
           array(select b.first_id + distance
                   from unnest(v.distances) with ordinality as t (distance, n) order by n) as ids
      from campaign_batch_distances v join campaign_batch b using (campaign_id, batch_no)
    """,
    f"""
    create function campaign_batch_devices_insert() returns trigger language plpgsql as $$
    begin
        insert into campaign_batch_member (campaign_id, batch_no, near, far)
        select new.campaign_id, new.batch_no, {_NEAR.format(distances=_OF_IDS)}, {_FAR.format(distances=_OF_IDS)}
          from (select new.ids as ids, new.ids[1] as first_id, new.ids[cardinality(new.ids)] as last_id) as batch;
        return new;
    end $$
    """,  # noqa: S608 - pieces of this module
    """
    create trigger campaign_batch_devices_insert instead of insert on campaign_batch_devices
    for each row execute function campaign_batch_devices_insert()
    """,
)


def upgrade() -> None:
    """Apply the statements."""
    for statement in STATEMENTS:
        op.execute(statement)
