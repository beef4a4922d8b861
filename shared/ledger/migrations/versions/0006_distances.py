"""A batch keeps its devices as distances from its first id: two bytes each where they are near, else eight, compressed.

Services of the version before go on beside it and after it: `campaign_batch_devices` is a view that gives ids to who
reads it, and takes them from who writes. While what is there is written anew, 0.2 s a million devices, they wait.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

_NEAR = "case when last_id - first_id < 32768 then array(select distance::smallint from ({distances}) as d) end"
_FAR = "case when last_id - first_id >= 32768 then array({distances}) end"
_OF_IDS = "select id - first_id as distance from unnest(ids) with ordinality as t (id, n) order by n"

STATEMENTS = (
    # Whoever has one of the two may want the other, in either order; and whoever comes while this waits, waits too. So
    # it waits for less than a second, lets go of what it has, and tries again: PostgreSQL looks for a deadlock when
    # somebody has waited for a second (`deadlock_timeout`), and would end the transaction of a service.
    """
    do $$
    declare tries integer := 50;
    begin
        set local lock_timeout = '900ms';
        loop
            begin
                lock table campaign_batch, campaign_batch_devices in access exclusive mode;
                exit;
            exception when lock_not_available or deadlock_detected then
                tries := tries - 1;
                if tries = 0 then
                    raise exception 'campaign_batch is in use all the time. Is a backup or a long query running?';
                end if;
                perform pg_sleep(random());
            end;
        end loop;
    end $$
    """,
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
    # Deferred: the version before inserts batch and devices in one statement, and the trigger may come first.
    """
    alter table campaign_batch_member
      add foreign key (campaign_id, batch_no) references campaign_batch on delete cascade
          deferrable initially deferred
    """,
    "analyze campaign_batch_member",
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
