"""Whole numbers as JSON has them: 1 and 1.0 are one number there, while "1" and true are none."""

from pydantic import BeforeValidator

MAX_ID = 2**53 - 1
"""The largest number that the API takes for an id: the largest whole one that every reader of JSON has exactly."""


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Behind a strict integer's `Field`: takes 1.0 for 1, as every JSON Schema says that it is."""
