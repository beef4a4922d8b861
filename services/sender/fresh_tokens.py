"""Access tokens that were fetched so recently that a 401 cannot mean that they are stale. Pure.

A 401 for a token that has worked means that it was revoked: fetch another. A 401 for one that was fetched for that very
reason and has never worked means that a further one would not help: the project itself is refused.
"""

from services.sender.gateways import Route

FRESH = 60.0
"""Seconds after which a token that never worked is fetched anew all the same: it may have been revoked meanwhile."""


class FreshTokens:
    """Tokens fetched after a 401, by project, until FCM accepts one or it is older than `FRESH`."""

    def __init__(self) -> None:
        self._fetched: dict[str, tuple[Route, float]] = {}

    def fetched(self, route: Route, *, now: float) -> None:
        """The route's token has just replaced one that was refused."""
        known, _ = self._fetched.get(route.project, (None, 0.0))
        if known is not route:
            self._fetched[route.project] = (route, now)

    def worked(self, route: Route) -> None:
        """FCM took a message with it."""
        if self._fetched.get(route.project, (None, 0.0))[0] is route:
            del self._fetched[route.project]

    def fresh(self, route: Route, *, now: float) -> bool:
        """Whether a refusal of this token is the project's."""
        known, at = self._fetched.get(route.project, (None, 0.0))
        return known is route and now - at < FRESH
