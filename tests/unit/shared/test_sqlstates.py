"""What every error of PostgreSQL and of its driver is taken for."""

import asyncio
import socket
import ssl
import string

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.sqlstates import WORDS, find_trouble, in_words, is_about_data

KNOWN = sorted(
    {
        str(getattr(kind, "sqlstate", ""))
        for kind in vars(asyncpg.exceptions).values()
        if isinstance(kind, type) and issubclass(kind, asyncpg.PostgresError) and getattr(kind, "sqlstate", None)
    }
)
STATE = st.text(string.ascii_uppercase + string.digits, min_size=5, max_size=5)


def raised(state: str) -> asyncpg.PostgresError:
    """The error that asyncpg makes of a state."""
    return asyncpg.PostgresError.new({"C": state, "M": "words of the server"})


def test_the_driver_knows_the_states_that_this_holds_for() -> None:
    """Otherwise nothing below would be tested."""
    assert len(KNOWN) > 200
    assert {"25006", "28P01", "3D000", "40001", "42501", "42P01", "53100", "55P03", "57014", "XX000"} <= set(KNOWN)


@pytest.mark.parametrize("state", KNOWN)
def test_only_data_and_constraints_can_be_the_statements_own_fault(state: str) -> None:
    """Every state that the driver knows: trouble, unless it is of class 22 or 23; and each is told in words."""
    trouble = find_trouble(raised(state))
    if state[:2] in {"22", "23"} and state != "2200H":
        assert trouble is None
        return
    assert trouble is not None
    assert trouble.sqlstate == state
    assert state in trouble.detail
    assert "words of the server" in trouble.detail
    assert "words of the server" not in trouble.said
    assert trouble.said[:-1] in WORDS.values()


@given(STATE)
def test_a_state_that_nobody_has_heard_of_is_trouble(state: str) -> None:
    """A server of tomorrow, an extension, a pooler: what says nothing of data is no message's fault."""
    trouble = find_trouble(raised(state))
    assert (trouble is None) == is_about_data(state)
    assert in_words(state) in WORDS.values()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InterfaceError("the connection is closed"),
        asyncpg.InternalClientError("unexpected state"),
        asyncpg.exceptions.ProtocolError("garbled"),
        asyncpg.exceptions.OutdatedSchemaCacheError("schema"),
        asyncpg.TargetServerAttributeNotMatched("none of the hosts"),
        ConnectionRefusedError(111, "refused"),
        ConnectionResetError(104, "reset"),
        OSError("all of two addresses failed"),
        socket.gaierror(-2, "Name or service not known"),
        ssl.SSLError(1, "certificate has expired"),
        TimeoutError(),
        asyncio.IncompleteReadError(b"", 5),
        PoolTimeoutError("QueuePool limit of size 1 reached"),
        PendingRollbackError("Can't reconnect until invalid transaction is rolled back"),
        DBAPIError("select 1", {}, RuntimeError("of the driver"), False),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_driver_or_the_pool_says_by_itself_is_trouble(error: Exception) -> None:
    """It has no state; nothing is wrong with the statement."""
    trouble = find_trouble(error)
    assert trouble is not None
    assert trouble.sqlstate == ""
    assert not trouble.victim
    assert not trouble.lasting


@pytest.mark.parametrize("error", [ZeroDivisionError(), ValueError("a bug"), RuntimeError("another"), KeyError("x")])
def test_what_does_not_come_from_the_database_is_none_of_it(error: Exception) -> None:
    """A bug in a block is a bug."""
    assert find_trouble(error) is None


@pytest.mark.parametrize(
    ("state", "victim", "leave", "lasting"),
    [
        ("25006", False, True, True),  # the next attempt must find the new primary
        ("28P01", False, True, True),
        ("40001", True, False, False),
        ("40P01", True, False, False),
        ("42501", False, True, True),
        ("53100", False, True, True),
        ("53300", False, True, True),
        ("55P03", False, False, False),
        ("57014", False, False, False),
        ("57P01", False, True, False),
        ("0A000", False, True, False),
        ("26000", False, True, False),
        ("XX000", False, True, False),
    ],
)
def test_what_follows_from_a_state(state: str, *, victim: bool, leave: bool, lasting: bool) -> None:
    """Go again at once, close the connection, tell it in readiness."""
    trouble = find_trouble(raised(state))
    assert trouble is not None
    assert (trouble.victim, trouble.leave, trouble.lasting) == (victim, leave, lasting)
