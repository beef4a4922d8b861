"""What is printed: the groups, the letters, one letter, and the result for those that were chosen."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.dead_letters.desk import Document


def listing(console: Console, found: Document) -> None:
    """The groups, the largest first, then the oldest letters."""
    if not found["ready"]:
        console.print("There are no dead letters.")
        return
    seen = "" if found["complete"] else f", of which the {found['looked_at']} oldest were looked at"
    console.print(f"{found['ready']} dead letters{seen}")
    groups = Table("count", "queue", "reason")
    for group in found["groups"]:
        groups.add_row(str(group["count"]), escape(group["queue"]), escape(group["reason"]))
    console.print(groups)
    letters = Table("id", "queue", "type", "campaign", "died at", "replayable")
    for letter in found["items"]:
        letters.add_row(
            escape(letter["id"]),
            escape(letter["queue"]),
            escape(letter["type"] or "-"),
            escape(letter["campaign_id"] or "-"),
            letter["died_at"] or "-",
            "yes" if letter["replayable"] else "no",
        )
    console.print(letters)


def letter(console: Console, found: Document) -> None:
    """One letter: what is known of it, then its body as it is."""
    for name in ("id", "queue", "reason", "type", "routing_key", "campaign_id", "request_id", "died_at", "size"):
        console.print(f"{name:12} {found[name] if found[name] is not None else '-'}", markup=False, highlight=False)
    for name, value in found["headers"].items():
        console.print(f"header       {name}: {value}", markup=False, highlight=False)
    console.print(found["body"], markup=False, highlight=False, soft_wrap=True)


def outcome(console: Console, verb: str, done: Document) -> None:
    """How many it was or would be, and why the others stay."""
    past = {"replay": "replayed", "discard": "discarded"}[verb]
    if done["dry_run"]:
        more = "" if done["complete"] else " of the oldest that were looked at"
        console.print(f"{done['matched']} letters{more} would be {past}; nothing was done.")
        return
    console.print(f"{done['done']} letters {past}.")
    for reason, count in done["failed"].items():
        console.print(f"{count} stay: {reason}.", markup=False, highlight=False)
    if not done["complete"]:
        console.print("Not all were looked at: settle the oldest first.")
