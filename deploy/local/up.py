"""The stack, left running until it is stopped by hand."""

import asyncio

from rich.console import Console

from deploy.local.options import StackOptions
from deploy.local.process import ManagedProcess
from deploy.local.stack import Stack


async def up(options: StackOptions, console: Console) -> None:
    """Run until cancelled; a process that dies is reported, and the others are left running."""
    async with Stack(options) as stack:
        _say(console, _addresses(stack))
        _say(console, "Ctrl-C stops everything; the data stays for the next time.")
        reported: set[int] = set()
        try:
            while True:
                process = await stack.first_death(besides=reported)
                reported.add(process.pid)
                _say(console, _obituary(process))
        except asyncio.CancelledError:
            _say(console, "stopping: draining what is in flight")
            raise


def _say(console: Console, text: str) -> None:
    """Print as it is: log lines and passwords may look like markup, and addresses must not be wrapped."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _obituary(process: ManagedProcess) -> str:
    explanation = process.explain(f"ended with code {process.exit_code}, and nobody asked it to")
    return f"{explanation}\nThe rest runs on; Ctrl-C and a new start bring it back, and nothing is lost meanwhile."


def _addresses(stack: Stack) -> str:
    """List what can be visited, one address a line, whole: they are there to be copied."""
    rows = [
        ("API", stack.api_url),
        ("API docs", f"{stack.api_url}/docs"),
        ("operator key", stack.operator_key),
        ("RabbitMQ management", stack.broker.management_url or "(your broker's own)"),
        ("RabbitMQ", stack.amqp_url),
        ("PostgreSQL", stack.database_url),
        ("FCM emulator", stack.emulator.url),
        ("its CA certificate", str(stack.emulator.ca_file)),
        *((f"metrics of {service.name}", f"{service.url}/metrics") for service in stack.services.values()),
        ("data and logs", str(stack.folder)),
    ]
    return "\n".join(["Carillon is up.", *(f"  {name:<24}{value}" for name, value in rows)])
