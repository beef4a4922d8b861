"""Start, run, stop: the life of a process.

A service is an async context that yields its side loops by name. Every loop is a named task, and one that ends or
dies stops the process with an error. SIGTERM or SIGINT stops in order; a second one ends at once.
"""

import asyncio
import gc
import os
import platform
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import structlog
import uvloop

from shared.config import Settings
from shared.errors import CarillonError, ConfigurationError
from shared.observability import metrics
from shared.observability.logs import configure_logs
from shared.observability.traces import configure_traces
from shared.tasks import end
from shared.variables import strangers
from shared.version import VERSION

log = structlog.get_logger()

S = TypeVar("S", bound=Settings)
Loops = Mapping[str, Coroutine[Any, Any, None]]
Service = Callable[[], AbstractAsyncContextManager[Loops]]
"""Opens everything and yields its side loops; on exit it drains and closes in reverse."""

EXIT_FAULT = 1
EXIT_SECOND_SIGNAL = 130


def run(name: str, settings: type[S], build: Callable[[S], AbstractAsyncContextManager[Loops]]) -> None:
    """Load the settings, build the service and run it until a signal.

    Exits with 0 after a clean stop, 1 with a sentence after trouble, 130 at a second signal.
    """
    try:
        loaded = settings.load()
        service = build(loaded)  # what it reads of settings it reads here
    except ConfigurationError as error:
        sys.exit(f"{error}")
    try:
        configure_logs(name, loaded.log_level)
        log.info("service.starting", version=VERSION, python=platform.python_version())
        if (told := strangers(os.environ)) is not None:
            log.warning("settings.unknown", meaning=told)
        flush_traces = configure_traces(name, loaded.traces_url, share=loaded.traces_share)
        clean = uvloop.run(_run(lambda: service))
        flush_traces()
    except CarillonError as error:
        log.error("service.failed", error=str(error))  # noqa: TRY400 - the sentence says it all
        sys.exit(f"{error}")
    sys.exit(0 if clean else EXIT_FAULT)


async def _run(service: Service) -> bool:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            log.warning("service.ended_at_once")
            os._exit(EXIT_SECOND_SIGNAL)
        log.info("service.stopping")
        stop.set()
        if main is not None and not ready.is_set():
            main.cancel()  # still opening: there is nothing to drain

    ready = asyncio.Event()
    main = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)

    @asynccontextmanager
    async def for_long() -> AsyncGenerator[Loops]:
        async with service() as loops:
            # Objects made at the start live on: a full garbage collection over them would stop the process for 80 ms.
            gc.collect()
            gc.freeze()
            yield loops

    try:
        return await _serve(for_long, stop, ready)
    except asyncio.CancelledError:
        if stop.is_set():
            return True
        raise


async def _serve(service: Service, stop: asyncio.Event, ready: asyncio.Event) -> bool:
    async with service() as loops:
        ready.set()
        tasks = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]
        log.info("service.ready", loops=sorted(loops))
        waiting = asyncio.create_task(stop.wait(), name="signal")
        done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in tasks if task in done]
        for task in ended:
            log.error("loop.died", loop=task.get_name(), error=repr(_fault(task)), exc_info=_fault(task))
        clean = not ended
        waiting.cancel()
        began = time.monotonic()
        # Scraped during the drain: afterwards the process is gone.
        metrics.DRAIN_SECONDS.set_function(lambda: time.monotonic() - began)
    # The service has drained: what still runs is only waiting for more.
    await end([waiting, *tasks])
    log.info("service.stopped", clean=clean, drained_in=round(time.monotonic() - began, 3))
    return clean


def _fault(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
