"""The schema's history, by alembic; `python -m shared.ledger.migrations` brings a database to its head."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def upgrade(database_url: str, revision: str = "head") -> bool:
    """Bring the database to `revision`; nothing happens when it is there already.

    False when a newer version has been there, whose schema this one's services go on with: it stays as it is.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["database_url"] = database_url
    command.upgrade(config, revision)
    return not config.attributes.get("newer", False)
