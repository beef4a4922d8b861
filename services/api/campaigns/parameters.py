"""Parameters that many routes share."""

from typing import Annotated

from fastapi import Path

from shared.contracts.numbers import MAX_ID

CampaignId = Annotated[int, Path(ge=1, le=MAX_ID, description="The campaign's number")]
