"""Start, run, stop, in order."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NoReturn, Self

import pytest
import structlog.testing
from pydantic import SecretStr

from shared import lifecycle, tasks
from shared.config import Settings
from shared.errors import ConfigurationError
from shared.lifecycle import Loops
from shared.version import VERSION


class Given(Settings):
    """Settings that need no environment."""

    @classmethod
    def load(cls) -> Self:
        """Give what was given."""
        return cls(database_url=SecretStr("postgresql://host/db"), amqp_url=SecretStr("amqp://host"))


class Recorder:
    """A service that writes down what happens to it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.started = asyncio.Event()

    async def work(self) -> None:
        """Work until cancelled."""
        self.started.set()
        try:
            await asyncio.Future()
        finally:
            self.seen.append("work cancelled")

    async def die(self) -> NoReturn:
        """End with an error."""
        raise ValueError("broken")

    async def end(self) -> None:
        """End without one, which a loop should not."""

    @asynccontextmanager
    async def service(self, **loops: Coroutine[Any, Any, None]) -> AsyncGenerator[Loops]:
        """Open, and drain on exit while the loops still run."""
        self.seen.append("opened")
        yield loops
        self.seen.append("drained")


@asynccontextmanager
async def misconfigured() -> AsyncGenerator[Loops]:
    """Fail to open."""
    raise ConfigurationError("CARILLON_AMQP_URL is not set")
    yield {}


def exit_code(build: Callable[[Settings], AbstractAsyncContextManager[Loops]]) -> object:
    """Run a service as a process would; what it exits with."""
    with pytest.raises(SystemExit) as end:
        lifecycle.run("test", Given, build)
    return end.value.code


@pytest.fixture(autouse=True)
def logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test run's own logging."""
    monkeypatch.setattr(lifecycle, "configure_logs", lambda _name, _level: None)


async def test_a_stop_drains_the_service_while_its_loops_still_run() -> None:
    """Then they are cancelled: what they wait for will not come any more."""
    recorder, stop = Recorder(), asyncio.Event()
    serving = asyncio.create_task(
        lifecycle._serve(lambda: recorder.service(work=recorder.work()), stop, asyncio.Event())
    )
    await recorder.started.wait()
    stop.set()
    assert await serving
    assert recorder.seen == ["opened", "drained", "work cancelled"]


@pytest.mark.parametrize("fate", ["die", "end"])
async def test_a_loop_that_dies_or_ends_stops_the_process(fate: str) -> None:
    """In order, but not cleanly: somebody must notice."""
    recorder = Recorder()
    loops = {"work": recorder.work(), "side": getattr(recorder, fate)()}
    assert not await lifecycle._serve(lambda: recorder.service(**loops), asyncio.Event(), asyncio.Event())
    assert recorder.seen == ["opened", "drained", "work cancelled"]


async def test_loops_that_die_together_are_told_in_the_services_own_order() -> None:
    """The first line of a log that somebody reads is the same every time."""
    recorder = Recorder()
    names = [f"loop {number}" for number in range(12)]
    loops = {name: recorder.die() for name in names}
    with structlog.testing.capture_logs() as logs:
        await lifecycle._serve(lambda: recorder.service(**loops), asyncio.Event(), asyncio.Event())
    assert [line["loop"] for line in logs if line["event"] == "loop.died"] == names


async def test_a_loop_that_swallows_its_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aiormq does so while it closes a channel; the process would never end."""
    monkeypatch.setattr(tasks, "CANCEL_AGAIN", 0.01)
    recorder, stop = Recorder(), asyncio.Event()

    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await recorder.work()
        await recorder.work()

    serving = asyncio.create_task(lifecycle._serve(lambda: recorder.service(deaf=deaf()), stop, asyncio.Event()))
    await recorder.started.wait()
    stop.set()
    assert await serving
    assert recorder.seen == ["opened", "drained", "work cancelled", "work cancelled"]


async def test_a_service_that_cannot_open_runs_no_loop() -> None:
    """Its error is the process's."""
    ready = asyncio.Event()
    with pytest.raises(ConfigurationError):
        await lifecycle._serve(misconfigured, asyncio.Event(), ready)
    assert not ready.is_set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_the_process_with_code_0(number: signal.Signals) -> None:
    """Sent to ourselves from within."""
    recorder = Recorder()

    async def signal_then_wait() -> None:
        signal.raise_signal(number)
        await recorder.work()

    assert exit_code(lambda _: recorder.service(work=signal_then_wait())) == 0
    assert recorder.seen == ["opened", "drained", "work cancelled"]


def test_a_signal_while_the_service_opens_ends_it_at_once_with_code_0() -> None:
    """It may be waiting for a broker that is away; there is nothing to drain."""

    @asynccontextmanager
    async def waiting(_: Settings) -> AsyncGenerator[Loops]:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Future()
        yield {}

    assert exit_code(waiting) == 0


def test_the_first_line_of_a_log_tells_the_version() -> None:
    """Whoever reads the log of another day knows which code wrote it."""
    with structlog.testing.capture_logs() as logs:
        exit_code(lambda _: misconfigured())
    assert logs[0]["event"] == "service.starting"
    assert logs[0]["version"] == VERSION


def test_trouble_on_purpose_ends_the_process_with_its_sentence() -> None:
    """No stack trace: the sentence says what to do."""
    assert exit_code(lambda _: misconfigured()) == "CARILLON_AMQP_URL is not set"


def test_a_dead_loop_ends_the_process_with_code_1() -> None:
    """A supervisor starts it again."""
    recorder = Recorder()
    assert exit_code(lambda _: recorder.service(side=recorder.die())) == 1
