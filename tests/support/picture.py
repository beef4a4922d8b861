"""The picture on the first screen of README.md: what a campaign passes through, and what the ledger looks like.

`python -m tests.support.picture` writes it twice, for light and for dark pages, into `docs/pictures`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from deploy.local.folders import REPOSITORY
from shared.topology import BATCHES, COMMANDS, EVENTS, RESULTS, RETRY

FOLDER = REPOSITORY / "docs" / "pictures"
WIDTH, HEIGHT = 1040, 492
FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"

Colours = Mapping[str, str]
"""By what they are for; `fill` and `line` of a kind of box, `letter` of an outcome."""

LIGHT: Colours = {
    "text": "#1f2328",
    "muted": "#59636e",
    "arrow": "#59636e",
    "outside fill": "#f6f8fa",
    "outside line": "#8c959f",
    "service fill": "#ddf4ff",
    "service line": "#0969da",
    "broker fill": "#fff1e5",
    "broker line": "#bc4c00",
    "ledger fill": "#effaf1",
    "ledger line": "#1a7f37",
    "A": "#aceebb",
    "U": "#ffcecb",
    "?": "#fae17d",
    ".": "#ffffff",
}
DARK: Colours = {
    "text": "#f0f6fc",
    "muted": "#9da7b3",
    "arrow": "#9da7b3",
    "outside fill": "#212830",
    "outside line": "#7d8590",
    "service fill": "#0d2748",
    "service line": "#4493f8",
    "broker fill": "#3a1f0e",
    "broker line": "#f0883e",
    "ledger fill": "#10261a",
    "ledger line": "#3fb950",
    "A": "#1f6f35",
    "U": "#8e2b2b",
    "?": "#7a5a00",
    ".": "#21262d",
}
PICTURES: Mapping[str, Colours] = {"carillon-light.svg": LIGHT, "carillon-dark.svg": DARK}


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled box; `kind` chooses its colours, `note` is a smaller line below the label. Pixels."""

    kind: str
    label: str
    x: int
    y: int
    width: int
    note: str = ""
    height: int = 52


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line through points with a head at its end, and at its start too where `both`; `label` stands at `at`."""

    points: tuple[tuple[int, int], ...]
    label: str = ""
    at: tuple[int, int] = (0, 0)
    both: bool = False


BOXES = (
    Box("outside", "operator", 20, 98, 90),
    Box("service", "api", 160, 98, 90),
    Box("broker", COMMANDS, 296, 98, 134),
    Box("service", "planner", 476, 98, 90),
    Box("broker", BATCHES, 612, 98, 134, note="high · normal · low"),
    Box("service", "sender", 792, 98, 90),
    Box("outside", "FCM", 940, 98, 80),
    Box("broker", RETRY, 606, 16, 146, note="10 s · 1 m · 5 m · 30 m"),
    Box("outside", "subscribers", 20, 420, 110),
    Box("broker", EVENTS, 296, 420, 134),
    Box("service", "aggregator", 466, 420, 110),
    Box("broker", RESULTS, 612, 420, 134),
)
ARROWS = (
    Arrow(((110, 124), (158, 124)), "HTTP", (134, 115)),
    Arrow(((250, 124), (294, 124))),
    Arrow(((430, 124), (474, 124))),
    Arrow(((566, 124), (610, 124))),
    Arrow(((746, 124), (790, 124))),
    Arrow(((882, 124), (938, 124)), "HTTP/2", (909, 115)),
    Arrow(((837, 98), (837, 42), (754, 42)), "try again", (870, 72)),
    Arrow(((679, 68), (679, 96))),
    Arrow(((205, 152), (205, 210)), "send, pause, cancel", (272, 186), both=True),
    Arrow(((521, 152), (521, 210)), "cut into batches", (574, 186), both=True),
    Arrow(((815, 152), (815, 210)), "claim, release", (765, 186), both=True),
    Arrow(((862, 150), (862, 446), (748, 446)), "a letter for each device", (944, 300)),
    Arrow(((612, 446), (578, 446))),
    Arrow(((521, 420), (521, 376)), "merge", (546, 403)),
    Arrow(((466, 446), (432, 446))),
    Arrow(((296, 446), (132, 446))),
)
LEDGER = (160, 212, 682, 162)
ROWS = (
    ("batch 0", "AAAAUAAAAAAAAAUAAAAA", "finished"),
    ("batch 1", "AA.AAA.AAA?A.AAAAUAA", "waiting"),
    ("batch 2", "....................", "queued"),
)
LETTERS = (("A", "accepted"), ("U", "token is dead"), ("?", "unknown"), (".", "pending"))
KEY = (("service", "services"), ("broker", "RabbitMQ"), ("ledger", "PostgreSQL"))
CELL = 19


def drawn(colours: Colours) -> str:
    """The picture as SVG."""
    title = "How a campaign passes through Carillon"
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
            f' role="img" aria-label="{title}" font-family="{FONT}" font-size="14">'
        ),
        f"<title>{title}</title>",
        *_key(colours),
        *(line for arrow in ARROWS for line in _arrow(arrow, colours)),
        *(line for box in BOXES for line in _box(box, colours)),
        *_ledger(colours),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(
    x: float, y: float, words: str, colour: str, *, size: int = 14, anchor: str = "middle", more: str = ""
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{more}>'
        f"{escape(words)}</text>"
    )


def _box(box: Box, colours: Colours) -> Iterator[str]:
    round_ = 26 if box.kind == "broker" else 8
    yield (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="{round_}"'
        f' fill="{colours[f"{box.kind} fill"]}" stroke="{colours[f"{box.kind} line"]}" stroke-width="1.5"/>'
    )
    middle = box.x + box.width / 2
    weight = ' font-weight="600"' if box.kind == "service" else ""
    yield _text(middle, box.y + (24 if box.note else 31), box.label, colours["text"], more=weight)
    if box.note:
        yield _text(middle, box.y + 41, box.note, colours["muted"], size=11)


def _arrow(arrow: Arrow, colours: Colours) -> Iterator[str]:
    points = " ".join(f"{x},{y}" for x, y in arrow.points)
    yield f'<polyline points="{points}" fill="none" stroke="{colours["arrow"]}" stroke-width="1.5"/>'
    yield _head(arrow.points[-2], arrow.points[-1], colours)
    if arrow.both:
        yield _head(arrow.points[1], arrow.points[0], colours)
    if arrow.label:
        yield _text(*arrow.at, arrow.label, colours["muted"], size=12)


def _head(before: tuple[int, int], tip: tuple[int, int], colours: Colours) -> str:
    """A triangle whose tip is where a line along one of the axes ends: markers are drawn differently everywhere."""
    (x, y), across = tip, (tip[0] - before[0], tip[1] - before[1])
    dx, dy = ((part > 0) - (part < 0) for part in across)
    back = (x - 9 * dx, y - 9 * dy)
    points = f"{x},{y} {back[0] - 4 * dy},{back[1] - 4 * dx} {back[0] + 4 * dy},{back[1] + 4 * dx}"
    return f'<polygon points="{points}" fill="{colours["arrow"]}"/>'


def _key(colours: Colours) -> Iterator[str]:
    for number, (kind, label) in enumerate(KEY):
        x = 20 + 110 * number
        yield (
            f'<rect x="{x}" y="18" width="14" height="14" rx="3" fill="{colours[f"{kind} fill"]}"'
            f' stroke="{colours[f"{kind} line"]}" stroke-width="1.5"/>'
        )
        yield _text(x + 22, 30, label, colours["text"], size=13, anchor="start")


def _ledger(colours: Colours) -> Iterator[str]:
    x, y, width, height = LEDGER
    yield (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{colours["ledger fill"]}"'
        f' stroke="{colours["ledger line"]}" stroke-width="1.5"/>'
    )
    yield _text(
        x + 20,
        y + 28,
        "The ledger: a row for each batch, a letter for each device",
        colours["text"],
        anchor="start",
        more=' font-weight="600"',
    )
    for number, (name, letters, state) in enumerate(ROWS):
        top = y + 42 + number * (CELL + 6)
        yield _text(x + 20, top + 14, name, colours["muted"], size=13, anchor="start")
        for place, letter in enumerate(letters):
            yield _cell(x + 88 + place * CELL, top, letter, colours)
        yield _text(
            x + 88 + len(letters) * CELL + 10, top + 14, f"… 500   {state}", colours["muted"], size=13, anchor="start"
        )
    at = x + 20
    for letter, meaning in LETTERS:
        yield _cell(at, y + 130, letter, colours)
        yield _text(at + CELL + 7, y + 144, meaning, colours["muted"], size=12, anchor="start")
        at += 64 + 7 * len(meaning)


def _cell(x: int, y: int, letter: str, colours: Colours) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{CELL}" rx="3" fill="{colours[letter]}"'
        f' stroke="{colours["ledger line"]}" stroke-width="0.5"/>'
        + _text(x + (CELL - 2) / 2, y + 14, letter, colours["text"], size=12, more=f' font-family="{MONO}"')
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, colours in PICTURES.items():
        (FOLDER / name).write_text(drawn(colours))
