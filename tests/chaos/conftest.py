"""Where simulated schedules are played."""

import multiprocessing
from collections.abc import Generator
from multiprocessing.pool import Pool

import pytest


@pytest.fixture(scope="session")
def elsewhere() -> Generator[Pool]:
    """A process of its own: what simulated crashes leave behind must not be swept up in another test."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool
