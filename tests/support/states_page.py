"""The states of campaigns and batches as diagrams and tables, from the transitions that the ledger's SQL is made with.

`python -m tests.support.states_page` writes `docs/states.md`.
"""

from collections.abc import Iterable, Iterator, Sequence

from deploy.local.folders import REPOSITORY
from shared.ledger.states import BATCH, CAMPAIGN, NOWHERE, Transition

PAGE = REPOSITORY / "docs" / "states.md"

HEAD = """# States of campaigns and batches

Written by `python -m tests.support.states_page` from `shared/ledger/states.py`, whose transitions the ledger's SQL is
made with. Every transition is one guarded update in PostgreSQL: a row that is in another state stays as it is.

"Next epoch" means that messages and senders that name the batch's epoch so far can change nothing any more.
"""

TITLES = ("## A campaign", "## A batch that meets no trouble", "## A batch in full")


def as_markdown() -> str:
    """The page."""
    usual = [transition for transition in BATCH if transition.usual]
    parts = [HEAD]
    for title, shown, table in zip(TITLES, (CAMPAIGN, usual, BATCH), (True, False, True), strict=True):
        parts += [title, "", *diagram(shown), ""]
        if table:
            parts += [*rows(shown), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def edges(transitions: Iterable[Transition]) -> dict[tuple[str, str], list[str]]:
    """What leads from one state to another: names by (source, target), in the order of the transitions."""
    found: dict[tuple[str, str], list[str]] = {}
    for transition in transitions:
        for source in transition.sources:
            names = found.setdefault((source, transition.target), [])
            if transition.name not in names:
                names.append(transition.name)
    return found


def diagram(transitions: Sequence[Transition]) -> Iterator[str]:
    """A Mermaid state diagram; `[*]` is before a row is there and after it is gone."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    for (source, target), names in edges(transitions).items():
        yield f"    {_node(source)} --> {_node(target)}: {', '.join(names)}"
    targets = {transition.target for transition in transitions}
    left = {source for transition in transitions for source in transition.sources}
    for end in sorted(targets - left):
        yield f"    {_node(end)} --> [*]"
    yield "```"


def _node(state: str) -> str:
    return "[*]" if state == NOWHERE else state


def rows(transitions: Iterable[Transition]) -> Iterator[str]:
    """A table of them."""
    yield "| | From | To | When |"
    yield "|---|---|---|---|"
    for transition in transitions:
        sources = ", ".join(source or "nothing" for source in transition.sources)
        yield f"| {transition.name} | {sources} | {transition.target or 'nothing'} | {transition.what} |"


if __name__ == "__main__":
    PAGE.write_text(as_markdown())
