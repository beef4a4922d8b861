"""A parent that starts an emulator, prints its process id and waits to be killed: `python -m … FOLDER`."""

import asyncio
import sys
from pathlib import Path

from services.fcm_emulator import running_emulator


async def main(folder: Path) -> None:
    """Start, tell, wait."""
    async with running_emulator(folder=folder) as emulator:
        print(emulator.pid, flush=True)  # noqa: T201 - its answer
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
