"""The FCM gateway against every fault that the emulator plays, and against the emulator's own record."""

import asyncio
import time
from typing import Any

import pycurl
import pytest

from deploy.local.ports import free_port
from services.fcm_emulator.answers import Answer as Played
from services.fcm_emulator.script import Script
from services.sender.answers import judge
from services.sender.gateways import ACCEPTED, Answer, Fault, Pace
from services.sender.gateways.fcm import STALLED, TURN, FcmOptions
from services.sender.gateways.transfer import TransferOptions
from tests.integration.sender.stage import TEMPLATE, MakeStage, script
from tests.support.eventually import eventually


class BrokenMulti:
    """A libcurl handle that has lost its state."""

    def __init__(self, multi: Any) -> None:
        self._multi = multi

    def socket_action(self, _fd: int, _events: int) -> None:
        """Fail as libcurl does."""
        raise pycurl.error(4, "internal error")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._multi, name)


async def test_every_message_arrives_once_and_has_one_answer(make_stage: MakeStage) -> None:
    """Several batches share the handles; the emulator's record agrees position by position."""
    stage = await make_stage(script())
    started = await asyncio.gather(*(stage.send(500) for _ in range(4)))
    assert started == [500] * 4
    assert all(stage.answers[position] is ACCEPTED for position in range(500))
    assert set(stage.answered.values()) == {4}
    assert all(stage.seen(position) == {Played.ACCEPTED: 4} for position in range(500))


async def test_each_error_comes_back_with_its_body_and_retry_after(make_stage: MakeStage) -> None:
    """The verdict of each position is what the emulator decided for its token."""
    mixed = script(UNREGISTERED=0.2, UNAVAILABLE=0.2, BAD_GATEWAY=0.2).model_copy(update={"retry_after": 7})
    stage = await make_stage(mixed)
    await stage.send(300)
    codes = {Played.ACCEPTED: "ACCEPTED", Played.BAD_GATEWAY: "GATEWAY_ERROR"}
    for position, answer in stage.answers.items():
        verdict = judge(answer, payload_proven=True)
        (played,) = stage.seen(position)
        assert verdict.code == codes.get(played, played.value)
        assert verdict.retry_after == (7 if played is Played.UNAVAILABLE else None)


async def test_a_connection_that_fcm_closed_while_idle_carries_nothing_more(make_stage: MakeStage) -> None:
    """What was put on it would have no answer, and with at_most_once no device would get it."""
    stage = await make_stage(script())
    for _ in range(3):
        await stage.send(500)
        stage.emulator.on_cut()
        stage.answers.clear()
        assert await stage.send(50) == 50
        assert all(answer is ACCEPTED for answer in stage.answers.values())


async def test_a_cut_connection_loses_no_answer_and_repeats_no_message(make_stage: MakeStage) -> None:
    """Libcurl would repeat a POST on a fresh connection; each position is answered once, each token reached once."""
    stage = await make_stage(script(latency="fixed:100ms"))
    sending = asyncio.create_task(stage.send(400))
    await eventually(lambda: stage.requests() > 250)
    stage.emulator.on_cut()
    assert await sending == 400
    assert set(stage.answered.values()) == {1}
    errors = [answer.error for answer in stage.answers.values() if answer is not ACCEPTED]
    assert errors
    assert all(error and error.fault is Fault.CUT and error.sent for error in errors)
    assert max(sum(stage.seen(position).values(), 0) for position in range(400)) == 1


async def test_goaway_lets_answers_in_flight_come(make_stage: MakeStage) -> None:
    """A front end that is rotated out costs nothing."""
    stage = await make_stage(script(latency="fixed:50ms"))
    sending = asyncio.create_task(stage.send(600))
    await eventually(lambda: stage.requests() > 250)
    stage.emulator.on_goaway()
    assert await sending == 600
    assert all(answer is ACCEPTED for answer in stage.answers.values())
    assert all(stage.seen(position) == {Played.ACCEPTED: 1} for position in range(600))


async def test_a_request_that_is_never_answered_times_out_as_sent(make_stage: MakeStage) -> None:
    """It may have been delivered, and here it was."""
    stage = await make_stage(script(HANG=1.0), patience=0.5)
    await stage.send(20)
    for position, answer in stage.answers.items():
        assert answer.error is not None
        assert (answer.error.fault, answer.error.sent) == (Fault.TIMEOUT, True)
        assert stage.seen(position) == {Played.HANG: 1}


async def test_a_silent_connection_is_replaced(make_stage: MakeStage) -> None:
    """Timeouts on one connection end its use; the next message goes over a new one."""
    stage = await make_stage(script(HANG=1.0), patience=0.3, pool_rest=0.0)
    silent = stage.gateway._pool
    await stage.send(10)
    stage.emulator.follow(script())
    await stage.send(10)
    assert stage.gateway._pool is not silent
    assert all(answer is ACCEPTED for answer in stage.answers.values())


async def test_connections_are_not_used_for_ever(make_stage: MakeStage) -> None:
    """An old set of connections runs dry beside the new one, without an error."""
    stage = await make_stage(script(latency="fixed:5ms"), pool_age=0.02)
    assert await stage.send(1000) == 1000
    assert all(answer is ACCEPTED for answer in stage.answers.values())
    await eventually(lambda: not stage.gateway._retiring)


async def test_nobody_listening_is_known_not_to_be_sent(make_stage: MakeStage) -> None:
    """A repeat is safe, and the whole project is concerned."""
    stage = await make_stage(script(), url=f"https://127.0.0.1:{free_port()}")
    await stage.send(5)
    assert {(a.error.fault, a.error.sent) for a in stage.answers.values() if a.error} == {(Fault.CONNECT, False)}


async def test_a_certificate_that_is_not_trusted_gets_no_message(make_stage: MakeStage) -> None:
    """Tokens and text go only to whom the CA file vouches for."""
    stage = await make_stage(script())
    stage.gateway._options = FcmOptions(transfer=TransferOptions())
    await stage.send(3)
    assert {(a.error.fault, a.error.sent) for a in stage.answers.values() if a.error} == {(Fault.TLS, False)}
    assert stage.requests() == 0


async def test_a_paced_batch_takes_its_time(make_stage: MakeStage) -> None:
    """100 messages at 400 a second take a quarter of a second, not less."""
    stage = await make_stage(script())
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await stage.send(100, Pace(start_at=begin + 0.05, per_second=400))
    assert loop.time() - begin >= 0.05 + 99 / 400


async def test_a_batch_that_may_not_go_on_reports_how_far_it_came(make_stage: MakeStage) -> None:
    """What was started is answered; the rest was never sent."""
    stage = await make_stage(script(), max_in_flight=10)
    started = await stage.send(500, Pace(keep_going=lambda: len(stage.answers) < 100))
    assert 100 <= started < 500
    assert sorted(stage.answers) == list(range(started))
    assert stage.requests() == started


async def test_a_turn_of_the_loop_starts_no_more_than_its_share(make_stage: MakeStage) -> None:
    """However much lies ready, and however many batches: between two shares the answers that came are read."""
    stage = await make_stage(script(), max_in_flight=2000)
    batches = [asyncio.create_task(stage.send(500)) for _ in range(4)]
    await asyncio.sleep(0)
    assert stage.gateway.in_flight == TURN
    assert await asyncio.gather(*batches) == [500] * 4


async def test_no_request_starts_after_the_lease(make_stage: MakeStage) -> None:
    """The batch ends by itself when its time is over, though its pace would take longer."""
    stage = await make_stage(script())
    now = asyncio.get_running_loop().time()
    started = await stage.send(500, Pace(start_at=now, per_second=100, stop_at=now + 0.2))
    assert 1 <= started <= 22


async def test_a_process_that_stood_still_leaves_what_it_missed_to_a_new_booking(make_stage: MakeStage) -> None:
    """It comes back without a burst; what was booked for later, or without a pace, is sent all the same."""
    stage = await make_stage(Script(shares={}))
    now = asyncio.get_running_loop().time()
    batches = [
        asyncio.create_task(stage.send(300, pace))
        for pace in (
            Pace(start_at=now, per_second=100),
            Pace(start_at=now, per_second=50),
            Pace(start_at=now + 3.0, per_second=1000),
        )
    ]
    await eventually(lambda: len(stage.answers) > 10)
    time.sleep(STALLED + 0.2)  # noqa: ASYNC251 - the whole process stands still
    first, second, later = await asyncio.gather(*batches)
    assert first + second < 100
    assert later == 300


async def test_a_callback_that_fails_fails_its_batch_only(make_stage: MakeStage) -> None:
    """Other batches go on; the error is raised once nothing of its batch is in flight."""
    stage = await make_stage(script(), max_in_flight=20)

    def fail(position: int, _answer: Answer) -> None:
        raise ZeroDivisionError(position)

    bodies = [TEMPLATE.body(("token", "x"))] * 300
    broken = stage.gateway.send_batch(bodies, route=stage.route, on_answer=fail)
    results = await asyncio.gather(broken, stage.send(300), return_exceptions=True)
    assert isinstance(results[0], ZeroDivisionError)
    assert results[1] == 300
    assert stage.gateway.in_flight == 0


async def test_a_body_that_cannot_be_made_fails_its_batch_only(make_stage: MakeStage) -> None:
    """The first 5 are sent and answered; the gateway serves on."""
    stage = await make_stage(script())
    bodies = TEMPLATE.bodies([*[("token", "x")] * 5, ("topic", "news")])
    with pytest.raises(ValueError, match="topic"):
        await stage.gateway.send_batch(bodies, route=stage.route, on_answer=stage.on_answer)
    assert sorted(stage.answers) == list(range(5))
    assert await stage.send(10) == 10


async def test_a_cancelled_batch_starts_nothing_more(make_stage: MakeStage) -> None:
    """Its answers are forgotten, its handles come back."""
    stage = await make_stage(script(latency="fixed:20ms"), max_in_flight=10)
    sending = asyncio.create_task(stage.send(500))
    await eventually(lambda: stage.answers)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    known = len(stage.answers)
    await eventually(lambda: stage.gateway.in_flight == 0)
    assert len(stage.answers) == known
    assert stage.requests() <= known + 10


async def test_close_waits_for_answers_and_aborts_the_rest(make_stage: MakeStage) -> None:
    """Each started position has its answer, also when the budget is over."""
    stage = await make_stage(script(HANG=0.5), max_in_flight=100)
    sending = asyncio.create_task(stage.send(500))
    await eventually(lambda: stage.played()[Played.HANG] == 100)
    queued = asyncio.create_task(stage.send(5))
    await eventually(lambda: len(stage.gateway._batches) == 2)
    await stage.gateway.close(0.2)
    assert await queued == 0
    started = await sending
    assert sorted(stage.answers) == list(range(started))
    hung = [answer.error for answer in stage.answers.values() if answer is not ACCEPTED]
    assert {(error.fault, error.sent) for error in hung if error} == {(Fault.ABORTED, True)}
    assert await stage.send(5) == 0


async def test_a_libcurl_that_fails_owes_no_answer(make_stage: MakeStage) -> None:
    """Every position is answered, and the next batch has connections that work."""
    stage = await make_stage(script(HANG=1.0))
    sending = asyncio.create_task(stage.send(20))
    await eventually(lambda: stage.requests() == 20)
    stage.gateway._pool._multi = BrokenMulti(stage.gateway._pool._multi)
    stage.gateway._pool._drive(pycurl.SOCKET_TIMEOUT, 0)
    assert await sending == 20
    assert {(a.error.fault, a.error.sent) for a in stage.answers.values() if a.error} == {(Fault.CUT, True)}
    stage.emulator.follow(script())
    await stage.send(20)
    assert all(answer is ACCEPTED for answer in stage.answers.values())
