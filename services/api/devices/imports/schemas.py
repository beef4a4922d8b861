"""An import as it is written and read."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Row

from shared.contracts.platforms import Shape

EXAMPLE: dict[str, Any] = {"name": "Export of 22 November", "format": "csv"}
EXAMPLE_READ: dict[str, Any] = {
    **EXAMPLE,
    "id": 9,
    "state": "running",
    "lines": 420001,
    "received": 420000,
    "registered": 419996,
    "rejected": 4,
    "problem": None,
    "created_by": "operator",
    "created_at": "2026-11-22T09:00:00Z",
    "started_at": "2026-11-22T09:00:02Z",
    "touched_at": "2026-11-22T09:00:16Z",
    "completed_at": None,
}


class NewImport(Shape):
    """What is going to come."""

    name: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    format: Literal["ndjson", "csv"] = "ndjson"


class ImportJob(BaseModel):
    """An import and how far it is; what it counts is committed."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_READ]})

    id: int
    name: str
    format: Literal["ndjson", "csv"]
    state: Literal["waiting", "running", "interrupted", "done"] = Field(
        description="`waiting` for its body, `interrupted`: its body has to be sent again. A process that dies leaves "
        "it `running`, with a `touched_at` that does not move: send the body again then, too"
    )
    lines: int = Field(
        description="Lines of the body that are done, line breaks within quotes counted; a body that is sent again is "
        "passed over so far"
    )
    received: int = Field(description="Lines with something on them: registered + rejected")
    registered: int
    rejected: int
    problem: str | None = Field(description="Why it was interrupted")
    created_by: str
    created_at: datetime
    started_at: datetime | None
    touched_at: datetime = Field(description="When it last moved; a week later it is deleted")
    completed_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read its row."""
        return cls.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping


class ImportPage(BaseModel):
    """A page of imports, the newest first."""

    items: list[ImportJob]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


class RejectedLine(BaseModel):
    """A line that was not taken, with what was on it."""

    line: int = Field(description="Its number in the body, from 1; of a record of CSV with line breaks, its first")
    problem: str
    content: str
