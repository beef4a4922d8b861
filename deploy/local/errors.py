"""What can go wrong with a local stack; each text says what to do.

LocalStackError
├── StartError        a process did not come up
├── NoBrokerError     no RabbitMQ can be had on this machine
├── FolderInUseError  another stack runs on the same folder
├── ProcessDiedError  a process ended that nobody had asked to
├── CampaignError     the API refused, or a campaign does not end
└── UnbalancedError   a campaign ended, and its books do not agree
"""


class LocalStackError(Exception):
    """Root of what the local stack raises on purpose."""


class StartError(LocalStackError):
    """Raised when a process exits or stays silent while it should come up; carries its last log lines."""


class NoBrokerError(LocalStackError):
    """Raised when neither a URL, nor Docker, nor an installed package can give a broker."""


class FolderInUseError(LocalStackError):
    """Raised when another live stack holds the data folder."""


class ProcessDiedError(LocalStackError):
    """Raised when a process of the stack ends by itself while it is needed; carries its last log lines."""


class CampaignError(LocalStackError):
    """Raised when the API answers with an error, or when a campaign stays where it is."""


class UnbalancedError(LocalStackError):
    """Raised when a ledger does not balance or the emulator's record contradicts it."""
