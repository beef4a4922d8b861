"""Which node is tried next."""

import random

from hypothesis import given
from hypothesis import strategies as st

from shared.amqp.hosts import Host
from shared.amqp.nodes import FAILED_FOR, Address, in_order

ADDRESSES = [Address(Host(f"h{number}", 5672), f"10.0.0.{number}") for number in range(1, 6)]
some = st.dictionaries(st.sampled_from(ADDRESSES), st.floats(0, 200))


@given(failed=some, avoided=some, now=st.floats(0, 200), seed=st.integers())
def test_every_address_is_tried_and_the_worst_known_last(
    failed: dict[Address, float], avoided: dict[Address, float], now: float, seed: int
) -> None:
    """Whatever is known: nobody is left out, who failed lately comes later, who is avoided comes last."""
    order = in_order(ADDRESSES, failed=failed, avoided=avoided, now=now, rng=random.Random(seed))
    assert sorted(order) == sorted(ADDRESSES)
    is_avoided = [avoided.get(address, 0) > now for address in order]
    assert is_avoided == sorted(is_avoided)
    well = [address for address, left in zip(order, is_avoided, strict=True) if not left]
    times = [failed[address] if address in failed and now - failed[address] < FAILED_FOR else -1 for address in well]
    assert times == sorted(times)


@given(last=st.sampled_from(ADDRESSES), seed=st.integers())
def test_the_one_that_was_just_lost_is_not_the_next(last: Address, seed: int) -> None:
    """Where there is another."""
    order = in_order(ADDRESSES, failed={last: 99.0}, avoided={}, now=100.0, rng=random.Random(seed))
    assert order[-1] == last


def test_processes_do_not_all_take_the_first() -> None:
    """The order of the URL says nothing."""
    firsts = {in_order(ADDRESSES, failed={}, avoided={}, now=0.0, rng=random.Random(seed))[0] for seed in range(100)}
    assert firsts == set(ADDRESSES)
