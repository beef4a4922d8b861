"""The exception tree.

CarillonError
├── ConfigurationError      settings are missing or wrong: the process must not start
├── MalformedMessageError   a message that can never be handled: to the dead letters
└── UnavailableError        an infrastructure failure: nothing is decided, retry
    ├── BrokerUnavailableError
    │   └── BrokerRefusedError
    │       ├── TopologyDiffersError
    │       ├── QueueMissingError
    │       └── LookRefusedError
    └── DatabaseUnavailableError
"""


class CarillonError(Exception):
    """Root of everything that Carillon raises on purpose."""


class ConfigurationError(CarillonError):
    """Raised when settings are missing or contradict each other; the text names the variable."""


class MalformedMessageError(CarillonError):
    """Raised when a message cannot be decoded or names what does not exist; it goes to `dead`."""


class UnavailableError(CarillonError):
    """Raised when the broker or the database cannot be reached; the caller holds its message and tries again."""


class BrokerUnavailableError(UnavailableError):
    """Raised when a publish was not confirmed or the connection is gone; the message may have arrived."""


class BrokerRefusedError(BrokerUnavailableError):
    """Raised when the broker answers that something is missing or forbidden for this user: waiting does not help."""


class TopologyDiffersError(BrokerRefusedError):
    """Raised when exchanges or queues are there and not as we declare them; each is named, with what to do."""


class QueueMissingError(BrokerRefusedError):
    """Raised when the broker answers, and has no queue of that name."""


class LookRefusedError(BrokerRefusedError):
    """Raised when the broker does not let this user look at a queue, which may well be there and serve."""


class DatabaseUnavailableError(UnavailableError):
    """Raised for whatever PostgreSQL says that is not about the statement's own data; nothing committed for sure.

    `said` is a sentence for whoever asked, with nothing of the statement in it. `victim`: PostgreSQL chose this
    transaction to go again.
    """

    def __init__(self, detail: str, *, said: str = "", victim: bool = False) -> None:
        super().__init__(detail)
        self.said = said
        self.victim = victim
