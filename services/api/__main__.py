"""`python -m services.api`."""

from services.api.app import api
from services.api.settings import ApiSettings
from shared.lifecycle import run

if __name__ == "__main__":
    run("api", ApiSettings, api)
