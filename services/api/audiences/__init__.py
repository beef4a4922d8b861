"""For whom campaigns are: uploaded lists, saved segments, what is left out, who must never be sent to; and how many.

Reading order: `shapes` (audiences of a campaign), `checking` (what they name exists), `estimate_routes`,
`segment_routes`, `list_routes` with `list_upload`, `suppression_routes`, each with its queries in a store, `cleaning`.
What an audience means in SQL is `shared.ledger.audiences`.
"""
