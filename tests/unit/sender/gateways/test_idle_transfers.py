"""Which handle carries the next message; no test performs a request."""

import asyncio

from services.sender.gateways import UNPACED, Route
from services.sender.gateways.idle_transfers import IdleTransfers
from services.sender.gateways.paced_batch import PacedBatch
from services.sender.gateways.transfer import Transfer, TransferOptions


def route(project: str) -> Route:
    """A project's route."""
    return Route(project, f"https://127.0.0.1:1/v1/projects/{project}/messages:send", ("authorization: Bearer x",))


def used(project: str) -> Transfer:
    """A transfer that has carried a message of the project."""
    transfer = Transfer(TransferOptions())
    loop = asyncio.new_event_loop()
    batch = PacedBatch([b"{}"], route(project), lambda _position, _answer: None, UNPACED, loop.create_future())
    transfer.load(batch, 0, b"{}")
    transfer.unload()
    loop.close()
    return transfer


def test_a_project_gets_its_own_handles_first() -> None:
    """Their URL and headers are set already."""
    idle = IdleTransfers()
    for project in ("a", "b", "a", "b"):
        idle.put(used(project))
    taken = [idle.take(project) for project in ("b", "a", "a", "b")]
    assert [transfer.project for transfer in taken if transfer is not None] == ["b", "a", "a", "b"]


def test_a_project_without_a_handle_takes_another_projects() -> None:
    """Or each project would come to hold as many as were ever in flight."""
    idle = IdleTransfers()
    for project in ("a", "b", "a"):
        idle.put(used(project))
    taken = [idle.take("new") for _ in range(4)]
    assert sorted(transfer.project for transfer in taken if transfer is not None) == ["a", "a", "b"]
    assert taken[-1] is None


def test_handles_come_back_after_all_were_taken() -> None:
    """A project that lost its last handle keeps new ones as before."""
    idle = IdleTransfers()
    transfer = used("a")
    idle.put(transfer)
    assert idle.take("b") is transfer
    assert idle.take("a") is None
    idle.put(transfer)
    assert idle.take("a") is transfer
    idle.put(transfer)
    idle.close()
    assert idle.take("a") is None
