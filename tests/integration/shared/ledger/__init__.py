"""The ledger against a real PostgreSQL.

`stage` sets a scene in few words; each `test_*` attacks one transition's guard; `test_state_machine` plays all of
them against a model (`world`, `player`) in any order.
"""
