"""The rate at the emulator, by its own record, a tenth of a second fine.

A campaign with a rate of its own books its messages at once and sends them over a second. So what is held to the quota
second by second is the flow of all others; each of these to its own rate; all together to the quota over half a
minute, and over what FCM counts, a minute.

Two things are no fault of the governor's: what waited for an emulator that was kept waiting is seen at once, and a
batch whose claim took long to commit starts late, on top of the next. The witnesses know of both.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from tests.benchmarks.governor import WINDOW_OVER
from tests.chaos.checker.state import Arrivals, State
from tests.chaos.witnesses import Stall

JITTER = 0.08
"""Seconds by which sender, network and emulator may shift a message on a machine that is doing a dozen other things."""
FEW = 25
"""Messages that may come at once whatever the rate: what one look of a sender at a slow batch may start."""
LATE = 4.0
"""Seconds for which a late batch can be on top of the next: what a slow campaign's batch takes."""
LATEST = 1.0
"""Seconds of a late start that are excused, however long PostgreSQL took."""
TOGETHER = 30
"""Seconds over which all campaigns are held to the quota together. When the last of those with rates of their own make
room for others, half a second of the quota is booked and still to be sent, and a batch besides: 7 % of ten seconds."""
MINUTE = 60


def within_quota(state: State) -> list[str]:
    """(5) Never did more arrive than was granted."""
    free = _sum(campaign.arrivals for campaign in state.campaigns if campaign.rate is None)
    wrong = _over(state, free, state.quota, "all campaigns without a rate of their own are")
    for campaign in state.campaigns:
        if campaign.rate is not None:
            wrong += _over(
                state, dict(campaign.arrivals), campaign.rate, f"campaign {campaign.id} with a rate of its own is"
            )
    together = _sum(campaign.arrivals for campaign in state.campaigns)
    return wrong + _over(state, together, state.quota, "all campaigns are", TOGETHER) + _over_in_a_minute(state)


def _over(state: State, arrivals: Mapping[int, int], rate: float, who: str, seconds: int = 1) -> list[str]:
    over = []
    first, flow = _flow(arrivals, seconds)
    for offset, arrived in enumerate(_windows(flow, seconds)):
        allowed = rate * (seconds * (1 + WINDOW_OVER) + JITTER) + FEW
        if arrived <= allowed:
            continue
        began = (first + offset) / 10
        late = longest_stall(state.commits, began - LATE, began + seconds)
        allowed += rate * (longest_stall(state.stalls, began, began + seconds) + min(late, LATEST))
        if arrived > allowed:
            over.append((arrived, began, allowed))
    if not over:
        return []
    arrived, began, allowed = max(over)
    return [
        (
            f"in {len(over)} windows of {seconds} s {who} over {rate:.0f}/s: at worst {arrived} messages in the "
            f"{'second' if seconds == 1 else f'{seconds} seconds'} from {began - state.began:.1f} s on, "
            f"where {allowed:.0f} could be explained"
        )
    ]


def _over_in_a_minute(state: State) -> list[str]:
    _, flow = _flow(_sum(campaign.arrivals for campaign in state.campaigns), 1)
    width = MINUTE * 10
    most = max((sum(flow[start : start + width]) for start in range(0, max(1, len(flow) - width + 1), 10)), default=0)
    allowed = state.quota * MINUTE * (1 + WINDOW_OVER)
    return [f"in a minute {most} messages arrived, the quota is {allowed:.0f}"] if most > allowed else []


def _flow(arrivals: Mapping[int, int], seconds: int) -> tuple[int, list[int]]:
    """The first tenth, and requests in each from it on, those without any and so many seconds past it included."""
    if not arrivals:
        return 0, []
    first, last = min(arrivals), max(arrivals)
    return first, [arrivals.get(tenth, 0) for tenth in range(first, last + 10 * seconds + 1)]


def _windows(flow: Sequence[int], seconds: int) -> Iterator[int]:
    """Requests in every window of so many seconds, overlapping ones included."""
    until = [0, *accumulate(flow)]
    return (until[start + 10 * seconds] - until[start] for start in range(len(until) - 10 * seconds))


def _sum(all_arrivals: Iterable[Arrivals]) -> dict[int, int]:
    total: dict[int, int] = {}
    for arrivals in all_arrivals:
        for tenth, count in arrivals:
            total[tenth] = total.get(tenth, 0) + count
    return total


def longest_stall(stalls: Sequence[Stall], began: float, ended: float) -> float:
    """Seconds of the longest stall that ended or went on in the span; what had waited came in it at once."""
    start = bisect_left(stalls, began, key=lambda stall: stall.ended)
    longest = 0.0
    for stall in stalls[start:]:
        if stall.began > ended:
            break
        longest = max(longest, stall.seconds)
    return longest
