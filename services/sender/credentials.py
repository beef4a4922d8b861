"""Access tokens for FCM from one service-account file per project, fetched outside the hot path.

A file is read again when it changes, so a key is rotated by replacing it. Private keys and access tokens stay in
this process: they are in no log, no error and no database.
"""

import asyncio
import functools
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from firebase_admin import credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

from services.sender.gateways import Route
from shared.errors import UnavailableError
from shared.version import USER_AGENT

log = structlog.get_logger(__name__)

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"

REFRESH_AHEAD = timedelta(minutes=10)
"""Remaining lifetime of a token at which the next one is fetched: tokens live an hour, and a fetch may need retries."""

TRY_AGAIN = 30.0
"""Seconds between fetches that fail while the old token still serves."""

LOOK = 5.0
"""Seconds between looks at a file: how late a rotation is noticed."""

FETCH_TIMEOUT = 10.0
"""Seconds for one request to the token endpoint."""

DEFAULT_PROJECT = "default"
"""The one name that may stand for any project; every other file must hold the project it is named after."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.:_-]{0,61}[a-z0-9])?")


class CredentialsError(UnavailableError):
    """Raised when a project's credentials are missing or wrong; the text says what to fix."""


@dataclass(slots=True)
class _Account:
    """A project's file as last read, and the token got with it."""

    stamp: tuple[int, int] = (0, 0)
    certificate: Any = None
    route: Route | None = None
    expires: datetime | None = None
    looked_at: float = float("-inf")
    failed_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    renewal: asyncio.Task[None] | None = None

    def life(self) -> timedelta:
        """What is left of the token; negative when it is spent."""
        return self.expires - datetime.now(UTC) if self.expires else timedelta.min


class Credentials:
    """Routes to FCM by project, always with a token that is good for minutes."""

    def __init__(self, folder: Path, *, fcm_url: str, ca_file: Path | None) -> None:
        self._folder = folder
        self._fcm_url = fcm_url.rstrip("/")
        self._accounts: dict[str, _Account] = {}
        request = Request()
        # Per request: requests lets REQUESTS_CA_BUNDLE in the environment beat what the session says.
        trust = {} if ca_file is None else {"verify": str(ca_file)}
        self._session = request.session
        self._session.headers["User-Agent"] = USER_AGENT
        self._request = functools.partial(request, timeout=FETCH_TIMEOUT, **trust)

    async def route(self, project: str) -> Route:
        """Where and with which headers to send for `project`. Raises `CredentialsError`.

        Answers from memory while the token is valid; the next one is fetched in the background.
        """
        account = self._accounts.setdefault(project, _Account())
        if account.route is None or account.life() <= timedelta(0):
            await self._renew(project, account, account.route)
        elif self._is_due(project, account) and account.renewal is None:
            account.renewal = asyncio.create_task(self._renew_aside(project, account), name=f"credentials of {project}")
        if account.route is None:
            raise CredentialsError(f"{self._file(project)} gave no access token; the log has the reason")
        return account.route

    def newest(self, route: Route) -> Route:
        """The same route with the token that has replaced its own meanwhile, if one has."""
        account = self._accounts.get(route.project)
        return route if account is None or account.route is None else account.route

    async def refreshed(self, stale: Route) -> Route:
        """A route whose token is newer than `stale`, which FCM called unauthenticated. Raises `CredentialsError`."""
        account = self._accounts.setdefault(stale.project, _Account())
        await self._renew(stale.project, account, stale)
        return await self.route(stale.project)

    async def close(self) -> None:
        """Wait for fetches under way, then drop the connections to the token endpoint."""
        renewals = [account.renewal for account in self._accounts.values() if account.renewal is not None]
        await asyncio.gather(*renewals, return_exceptions=True)
        self._session.close()

    def _is_due(self, project: str, account: _Account) -> bool:
        """Whether the file has changed or the token nears its end; asks the disk only now and then."""
        now = time.monotonic()
        if now - account.failed_at < TRY_AGAIN:
            return False
        if account.life() < REFRESH_AHEAD:
            return True
        if now - account.looked_at < LOOK:
            return False
        account.looked_at = now
        return _stamp(self._file(project)) not in ((0, 0), account.stamp)

    async def _renew_aside(self, project: str, account: _Account) -> None:
        """Fetch while the old token is still used; a failure (such as a half-written file) is retried later."""
        try:
            await self._renew(project, account, account.route)
        except CredentialsError as error:
            log.warning("credentials_not_renewed", project=project, problem=str(error))
        finally:
            account.renewal = None

    async def _renew(self, project: str, account: _Account, stale: Route | None) -> None:
        """Fetch a token unless someone has replaced `stale` meanwhile."""
        async with account.lock:
            if account.route is not stale:
                return
            try:
                await asyncio.to_thread(self._fetch, project, account)
            except CredentialsError:
                account.failed_at = time.monotonic()
                raise

    def _fetch(self, project: str, account: _Account) -> None:
        """Read the file if it changed, ask for a token, and only then put both in place. Runs in a thread."""
        file = self._file(project)
        stamp = _stamp(file)
        certificate = account.certificate
        if certificate is None or stamp != account.stamp:
            certificate = _read(file, project)
        credential = certificate.get_credential().with_scopes([SCOPE])
        try:
            credential.refresh(self._request)
        except (GoogleAuthError, OSError) as error:
            raise CredentialsError(
                f"no access token for project '{project}' with {file}: {str(error)[:300]}. Is the key still valid, "
                "the clock right and the token endpoint reachable?"
            ) from error
        account.certificate, account.stamp = certificate, stamp
        account.expires = credential.expiry.replace(tzinfo=UTC)
        account.route = Route(
            project=project,
            url=f"{self._fcm_url}/v1/projects/{certificate.project_id}/messages:send",
            headers=(
                f"authorization: Bearer {credential.token}",
                "content-type: application/json; charset=utf-8",
                "x-goog-api-format-version: 2",
            ),
        )

    def _file(self, project: str) -> Path:
        """The project's file; a name that could leave the folder is refused."""
        if not _NAME.fullmatch(project):
            raise CredentialsError(f"'{project[:100]}' is not a project id: use lower-case letters, digits and hyphens")
        return self._folder / f"{project}.json"


def _stamp(file: Path) -> tuple[int, int]:
    """What changes with a file; zeros when there is none. A mounted secret changes its inode, not always its time."""
    try:
        status = file.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_ino)


def _read(file: Path, project: str) -> Any:
    """The service account in a file, checked."""
    try:
        certificate = credentials.Certificate(str(file))
    except FileNotFoundError:
        raise CredentialsError(
            f"no credentials for project '{project}': put its service-account file at {file}"
        ) from None
    except (OSError, ValueError, AttributeError) as error:
        raise CredentialsError(f"{file} is not a service-account file: {str(error)[:300]}") from error
    if project not in (DEFAULT_PROJECT, certificate.project_id):
        raise CredentialsError(
            f"{file} belongs to project '{certificate.project_id}': rename it or put the right file in its place"
        )
    if not certificate.project_id:
        raise CredentialsError(f"{file} names no project_id: download the service account's key again")
    return certificate
