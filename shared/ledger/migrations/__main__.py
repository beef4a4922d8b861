"""`python -m shared.ledger.migrations`: bring the database of CARILLON_DATABASE_URL to the newest schema."""

import os
import sys

from sqlalchemy.exc import SQLAlchemyError

from shared.ledger.migrations import upgrade

if __name__ == "__main__":
    url = os.environ.get("CARILLON_DATABASE_URL")
    if not url:
        sys.exit("CARILLON_DATABASE_URL is not set. Give it as postgresql://user:password@host:port/database.")
    try:
        upgrade(url)
    except (SQLAlchemyError, OSError) as error:
        sys.exit(f"The schema could not be brought up to date: {error}")
    sys.stdout.write("The schema is up to date.\n")
