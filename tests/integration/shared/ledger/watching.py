"""A ledger that refuses what the table of transitions does not have, whoever does it and however it came about."""

from shared.ledger.states import BATCH, CAMPAIGN
from tests.integration.shared.ledger.stage import Stage
from tests.support.states_page import edges

REFUSE = """
    create function refuse_transition() returns trigger language plpgsql as $$
    begin
        raise exception 'no transition of shared/ledger/states.py: % of %', tg_argv[0], new
            using errcode = 'check_violation';
    end $$
"""
WATCH = """
    create trigger refuse_transition before update of {column} on {table} for each row
      when (old.{column} <> new.{column} and old.{column} || ' ' || new.{column} not in ({known}))
    execute function refuse_transition('{column}')
"""


async def watch_transitions(stage: Stage) -> None:
    """Refuse every transition that is not declared, from now on."""
    await stage.run(REFUSE)
    for table, column, transitions in (("campaign", "status", CAMPAIGN), ("campaign_batch", "state", BATCH)):
        known = ", ".join(f"'{source} {target}'" for source, target in edges(transitions))
        await stage.run(WATCH.format(table=table, column=column, known=known))
