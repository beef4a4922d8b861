"""Every run has names and addresses that no other has."""

from ipaddress import IPv4Network
from random import Random

import pytest

from tests.support.cluster.network import NODES, PRIVATE, SWITCH, Network, draw, hardware, left_over, routes_of

NETWORK = Network(4242, 1764460000, IPv4Network("10.77.88.0/24"))


def test_addresses_of_the_two_wires_do_not_meet() -> None:
    """The lower half of the range is between the nodes, the upper half between them and this machine."""
    lower, upper = NETWORK.range.subnets(1)
    assert all(NETWORK.peer(node) in lower and NETWORK.client(node) in upper for node in NODES)
    assert NETWORK.host in upper
    addresses = {*map(NETWORK.peer, NODES), *map(NETWORK.client, NODES), NETWORK.host}
    assert len({hardware(address) for address in addresses}) == 7


def test_a_name_says_whose_it_is() -> None:
    """Linux allows 15 characters to an interface."""
    assert NETWORK.namespace(1) == "carillon-4242-1764460000-0a4d5800-1"
    assert NETWORK.namespaces[-1] == f"carillon-4242-1764460000-0a4d5800-{SWITCH}"
    assert len(NETWORK.interface) <= 15


@pytest.mark.parametrize("seed", range(50))
def test_only_private_addresses_that_nobody_routes_are_drawn(seed: int) -> None:
    """Neither an address of the machine nor one that it has a route to."""
    routes = ["default", "10.0.0.0/8", "192.168.0.0/17", "172.16.5.7", "127.0.0.0/8"]
    drawn = draw(Random(seed), routes)
    assert any(drawn.subnet_of(block) for block in PRIVATE)
    assert not any(drawn.overlaps(IPv4Network(route)) for route in routes[1:])


def test_where_everything_is_routed_nothing_is_drawn() -> None:
    """It is said, not tried."""
    with pytest.raises(LookupError):
        draw(Random(1), [str(block) for block in PRIVATE])


def test_routes_are_read_as_ip_tells_them() -> None:
    """`ip -json route`."""
    assert routes_of([{"dst": "default", "gateway": "192.0.2.1"}, {"dst": "192.0.2.0/24"}]) == [
        "default",
        "192.0.2.0/24",
    ]


def test_what_dead_runs_left_is_known_by_its_name() -> None:
    """A pid that another process has by now is another run; names of others are not touched."""
    living = Network(7, 100, IPv4Network("10.1.1.0/24"))
    names = [*NETWORK.namespaces, *living.namespaces, "carillon", "blue", "carillon-1-1-zz-1"]
    assert left_over(names, {(7, 100), (4242, 99)}) == [*NETWORK.namespaces]
