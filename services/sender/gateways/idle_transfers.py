"""Free handles by project: one that carried the project's last message has its URL and headers set already."""

from services.sender.gateways.transfer import Transfer


class IdleTransfers:
    """Transfers between two messages.

    A project that has none takes another's: so there are as many as were ever in flight, not as many for each project.
    """

    def __init__(self) -> None:
        self._by_project: dict[str, list[Transfer]] = {}

    def put(self, transfer: Transfer) -> None:
        """Keep it for the next message of its project."""
        own = self._by_project.get(transfer.project)
        if own is None:
            own = self._by_project[transfer.project] = []
        own.append(transfer)

    def take(self, project: str) -> Transfer | None:
        """One that carried the project's message, else any other; None when all are in flight."""
        own = self._by_project.get(project)
        if own:
            return own.pop()
        while self._by_project:
            other, transfers = next(iter(self._by_project.items()))
            if transfers:
                return transfers.pop()
            del self._by_project[other]
        return None

    def close(self) -> None:
        """Free them all."""
        for transfers in self._by_project.values():
            for transfer in transfers:
                transfer.close()
        self._by_project.clear()
