"""All of Carillon as processes of this machine: started in order, watched, stopped in order.

Started: the servers (PostgreSQL, RabbitMQ, the emulator), then schema and topology, then the services.
Stopped: api and planner, then the senders, the aggregators, the servers: nobody loses the one it hands work to.
"""

import asyncio
import contextlib
import functools
import os
import secrets
import sys
from collections.abc import Callable, Container, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from deploy.local.broker_choice import start_broker
from deploy.local.emulator import Emulator, start_emulator
from deploy.local.errors import ProcessDiedError
from deploy.local.folders import fresh, kept
from deploy.local.guardian import Guardian
from deploy.local.options import StackOptions
from deploy.local.postgres import Postgres, start_postgres
from deploy.local.process import ManagedProcess
from deploy.local.service import Service, services_of
from deploy.local.together import together

if TYPE_CHECKING:
    from deploy.local.broker import Broker

STOP_WITHIN = 35.0
"""Seconds for a service to drain: its own budget, 30 s unless CARILLON_DRAIN_TIMEOUT says otherwise, and a little."""

_WATCH = 0.2
"""Seconds between two looks at who still lives."""


class Stack:
    """An async context: inside it everything runs and is ready.

    Raises `LocalStackError` when something cannot be started, with whatever had started stopped again.
    """

    def __init__(self, options: StackOptions) -> None:
        self.options = options
        self.processes: dict[str, ManagedProcess] = {}
        """By name, in the order of their start: postgres, rabbitmq, emulator, api, planner-1, sender-1 …"""
        self.services: dict[str, Service] = {}
        self.folder: Path
        self.operator_key: str
        self.postgres: Postgres
        self.broker: Broker
        self.emulator: Emulator
        self._guardian = Guardian()
        self._servers: list[Callable[[], None]] = []
        self._stack = contextlib.ExitStack()

    @property
    def api_url(self) -> str:
        """Where the operators' HTTP API is."""
        return self.services["api"].url

    @property
    def database_url(self) -> str:
        """Where the ledger is."""
        return self.postgres.url()

    @property
    def amqp_url(self) -> str:
        """Where the broker is, with the stack's vhost."""
        return self.broker.amqp_url()

    async def __aenter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            hold = kept if self.options.keep else fresh
            self.folder = stack.enter_context(hold(self.options.name))
            stack.enter_context(self._guardian)
            if not self.options.keep:
                self._guardian.discard(self.folder)
            try:
                await self._start()
            except BaseException as error:
                await self._end(error)
                raise
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            await self._end(error)
        finally:
            self._stack.__exit__(kind, error, None)

    async def _end(self, error: BaseException | None) -> None:
        """Stop everything; after an error the folder stays, with its logs."""
        if isinstance(error, Exception):
            self._guardian.spare(self.folder)
        await self.stop()

    async def _start(self) -> None:
        say = self.options.say
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        for old in logs.glob("*.log"):
            old.unlink()
        self.operator_key = self._operator_key()
        say("starting PostgreSQL, RabbitMQ and the FCM emulator")
        await self._start_servers(logs)
        say("bringing the schema and the topology up to date")
        await together(*(job.finish for job in self._jobs(logs)))
        say("starting api, planner, sender and aggregator")
        environment = self.environment()
        for service in services_of(self.options, environment=environment, logs=logs, guardian=self._guardian):
            self.services[service.name] = service
            self.processes[service.name] = service.process
        await together(*(service.start for service in self.services.values()))

    async def _start_servers(self, logs: Path) -> None:
        options, guardian = self.options, self._guardian

        def postgres() -> None:
            self.postgres = self.start_database(self.folder / "postgres", guardian)
            self._servers.append(self.postgres.stop)

        def broker() -> None:
            chosen = functools.partial(start_broker, environment=os.environ, keep=options.keep, say=options.say)
            self.broker = (options.broker or chosen)(self.folder / "rabbitmq", guardian)
            self._servers.append(self.broker.stop)

        def emulator() -> None:
            self.emulator = start_emulator(self.folder / "emulator", logs / "emulator.log", guardian, options.emulator)
            self._servers.append(self.emulator.stop)

        await together(postgres, broker, emulator)
        self.processes["postgres"] = self.postgres.process
        if self.broker.process is not None:
            self.processes["rabbitmq"] = self.broker.process
        self.processes["emulator"] = self.emulator.process

    def start_database(self, folder: Path, guardian: Guardian) -> Postgres:
        """Start PostgreSQL; where it must be another one, a subclass says so."""
        return start_postgres(folder, guardian, durable=self.options.durable)

    def environment(self) -> dict[str, str]:
        """Return the environment that every service gets."""
        return {
            **os.environ,
            "CARILLON_DATABASE_URL": self.database_url,
            "CARILLON_AMQP_URL": self.amqp_url,
            "CARILLON_OPERATOR_KEY": self.operator_key,
            "CARILLON_LEDGER_RAMP": "0",  # the emulator needs no minute to warm up
            "CARILLON_FCM_URL": self.emulator.url,
            "CARILLON_FCM_CA_FILE": str(self.emulator.ca_file),
            "CARILLON_FCM_CREDENTIALS_DIR": str(self.emulator.credentials_dir),
            **self.options.environment,
        }

    def _jobs(self, logs: Path) -> list[ManagedProcess]:
        return [
            ManagedProcess(
                name,
                [sys.executable, "-m", module],
                guardian=self._guardian,
                log=logs / f"{name}.log",
                environment=self.environment(),
                ready_within=120.0,
            )
            for name, module in (("migrations", "shared.ledger.migrations"), ("topology", "shared.topology"))
        ]

    def _operator_key(self) -> str:
        path = self.folder / "operator-key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(os.environ.get("CARILLON_OPERATOR_KEY") or secrets.token_urlsafe(24))
        return path.read_text()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time by process so far, children included."""
        return {name: process.cpu_seconds() for name, process in self.processes.items()}

    async def first_death(self, besides: Container[int] = ()) -> ManagedProcess:
        """Wait until a process has ended; return it. Those whose pid is in `besides` are known already."""
        while True:
            for process in self.processes.values():
                if not process.running and process.pid not in besides:
                    return process
            await asyncio.sleep(_WATCH)

    async def guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`; raise `ProcessDiedError` as soon as a process of the stack dies meanwhile."""
        working = asyncio.create_task(work, name="work")
        watching = asyncio.create_task(self.first_death(), name="watch")
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                dead = watching.result()
                raise ProcessDiedError(dead.explain(f"ended with code {dead.exit_code} though it was needed"))
            working.result()
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    async def stop(self) -> None:
        """Stop everything, each group when the one before has drained; kill what overruns its budget, and say so."""
        for roles in (("api", "planner"), ("sender",), ("aggregator",)):
            group = [service for name, service in self.services.items() if name.startswith(roles)]
            await together(*(functools.partial(self._stop_service, service) for service in group))
        servers, self._servers = self._servers, []
        await together(*servers)

    def _stop_service(self, service: Service) -> None:
        if not service.process.stop(STOP_WITHIN):
            self.options.say(f"{service.name} did not drain within {STOP_WITHIN:.0f} s and was killed")

    def kill(self) -> None:
        """End every process at once."""
        for process in self.processes.values():
            process.kill()
