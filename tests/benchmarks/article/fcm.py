"""firebase-admin, pointed at the benchmark's FCM: its address has no setting, its CA comes in REQUESTS_CA_BUNDLE."""

import os
import warnings
from pathlib import Path

import firebase_admin
from firebase_admin import credentials, messaging


def connect() -> None:
    """Make this process's one application."""
    warnings.filterwarnings("ignore", "Message.token is deprecated", DeprecationWarning)
    account = Path(os.environ["CARILLON_FCM_CREDENTIALS_DIR"]) / "default.json"
    messaging._MessagingService.FCM_URL = os.environ["CARILLON_FCM_URL"] + "/v1/projects/{0}/messages:send"
    firebase_admin.initialize_app(credentials.Certificate(str(account)))
