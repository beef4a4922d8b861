"""What the emulator holds: the scripts in force, projects made as they are called, and what is shared between them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from services.fcm_emulator.oauth import TokenEndpoint
from services.fcm_emulator.sending import Project, Sighting

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.fcm_emulator.script import Script


class EmulatorState:
    """Scripts, projects, access tokens and the newest messages; knows no routes."""

    def __init__(self, script: Script, *, keep_messages: int = 1000) -> None:
        self.script = script
        self.scripts: dict[str, Script] = {}
        self.projects: dict[str, Project] = {}
        self.tokens = TokenEndpoint()
        self.sightings: deque[Sighting] = deque(maxlen=keep_messages)
        # Set by the server, which owns the connections.
        self.on_goaway: Callable[[], None] = lambda: None
        self.on_cut: Callable[[], int] = lambda: 0
        self.on_script: Callable[[], None] = lambda: None

    def project(self, name: str) -> Project:
        """Return a project, made when it is first asked for."""
        if name not in self.projects:
            script = self.scripts.get(name, self.script)
            self.projects[name] = Project(name, script, revoked=self.tokens.revoked, sightings=self.sightings)
        return self.projects[name]

    def follow(self, script: Script, project: str | None = None) -> None:
        """Put a script in force now, for one project or for all (which ends the scripts of single ones)."""
        if project is None:
            self.script = script
            self.scripts.clear()
            for known in self.projects.values():
                known.follow(script)
        else:
            self.scripts[project] = script
            self.project(project).follow(script)
        self.on_script()

    def forget(self) -> None:
        """Drop all that was recorded."""
        self.sightings.clear()
        for project in self.projects.values():
            project.forget()
