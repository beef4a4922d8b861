"""The ledger's URL: what asyncpg takes is taken as it stands, and what is refused is said without the secret."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from shared.database_url import SESSIONS, checked

Address = tuple[str, int] | str


def asyncpg_reads(url: str) -> tuple[list[Address], Any]:
    """Where asyncpg would connect to, and as whom."""
    nothing = dict.fromkeys(
        (
            "host", "port", "user", "password", "passfile", "database", "ssl", "service", "servicefile", "direct_tls",
            "server_settings", "target_session_attrs", "krbsrvname", "gsslib",
        )
    )  # fmt: skip
    addresses, parameters = _parse_connect_dsn_and_args(dsn=url, **nothing)
    return addresses, parameters


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("postgresql://u:p@h/d", [("h", 5432)]),
        ("postgres://u:p@h/d", [("h", 5432)]),
        ("postgresql+asyncpg://u:p@h:5433/d", [("h", 5433)]),
        ("postgresql://u@h/d", [("h", 5432)]),
        ("postgresql://u:p@h1:5433,h2,[fd00::1]:5434/d", [("h1", 5433), ("h2", 5432), ("fd00::1", 5434)]),
        ("postgresql://u@/d?host=/run/postgresql", ["/run/postgresql/.s.PGSQL.5432"]),
        ("postgresql:///d?host=/run/postgresql&port=5433&user=u", ["/run/postgresql/.s.PGSQL.5433"]),
        ("postgresql://u@%2Frun%2Fpostgresql:5433/d", ["/run/postgresql/.s.PGSQL.5433"]),
        ("postgresql:///d?host=h1,h2&port=1,2&user=u", [("h1", 1), ("h2", 2)]),
        ("postgresql://u:p@h/d?sslmode=require&application_name=me", [("h", 5432)]),
    ],
)
def test_every_form_that_asyncpg_takes_is_taken(url: str, addresses: list[Address]) -> None:
    """And it reads the same addresses."""
    assert asyncpg_reads(checked(url))[0] == addresses


logins = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
names = st.sampled_from(["h1", "db-0.db", "10.0.0.1", "[fd00::1]", "%2Frun%2Fpg"])


@given(
    user=logins,
    password=st.none() | logins,
    database=logins,
    hosts=st.lists(st.tuples(names, st.integers(1, 65535)), min_size=1, max_size=3),
    session=st.sampled_from(SESSIONS),
)
def test_any_login_that_is_encoded_arrives_as_it_is(
    user: str, password: str | None, database: str, hosts: list[tuple[str, int]], session: str
) -> None:
    """Whatever characters it has, and however many hosts there are."""
    login = quote(user, safe="") + ("" if password is None else f":{quote(password, safe='')}")
    at = ",".join(f"{name}:{port}" for name, port in hosts)
    url = f"postgres://{login}@{at}/{quote(database, safe='')}?target_session_attrs={session}"
    addresses, read = asyncpg_reads(checked(url))
    assert (read.user, read.database, len(addresses)) == (user, database, len(hosts))
    if password is not None:
        assert read.password == password


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "does not begin with postgresql://"),
        ("localhost:5432", "does not begin with postgresql://"),
        ("mysql://u:secret@h/d", "does not begin with postgresql://"),
        ("postgresql+psycopg://u:secret@h/d", "does not begin with postgresql://"),
        ("postgresql://u:sec#ret@h/d", "write %23"),
        ("postgresql://u:sec@ret@h/d", "%40 for @"),
        ("postgresql://u:sec/ret@h/d", "%2F for /"),
        ("postgresql://u:sec?ret@h/d", "%3F for ?"),
        ("postgresql://u:sec[ret@h/d", "%5B for ["),
        ("postgresql://u:sec\u2100ret@h/d", "percent-encoded"),
        ("postgresql://u:p@h1,u:secret@h2/d", "written once, before the first host"),
        ("postgresql://u:secret@h1,,h2/d", "host 2 is empty"),
        ("postgresql://u:secret@h..x/d", "no name of a host"),
        ("postgresql://u:secret@h:x/d", "no port from 1"),
        ("postgresql://u:secret@h:70000/d", "no port from 1"),
        ("postgresql://u:secret@h:/d", "no port from 1"),
        ("postgresql://u:secret@fd00::1/d", "no port from 1"),
        ("postgresql://u:secret@[fd00::1/d", "no IPv6 address"),
        ("postgresql://u:secret@h/d?sslmode=on", "sslmode is none of disable, allow"),
        ("postgresql://u:secret@h/d?target_session_attrs=master", "target_session_attrs is none of any"),
        ("postgresql://u:secret@h/d?sslmode", "not name=value"),
        ("postgresql://u:secret@h/d?sslmode=verify-full&sslrootcert=/no/ret.pem", "sslrootcert"),
        ("postgresql://u:secret@h/d?passfile=/no/ret", "passfile"),
        ("postgresql://u:secret@h/d?channel_binding=require", "channel_binding is another client's"),
        ("postgresql:///d?host=h1,h2&port=1,2,3&user=u", "one for each host"),
        ("postgresql://u:secret@h/d\n?x=y", "control character"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(url: str, said: str) -> None:
    """In a sentence that helps."""
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        checked(url)
    assert "sec" not in str(error.value)
    assert "ret" not in str(error.value)


def test_a_file_of_certificates_that_holds_none_is_refused(tmp_path: Path) -> None:
    """Connecting would say so with a traceback."""
    file = tmp_path / "root.crt"
    file.write_text("none")
    with pytest.raises(ValueError, match="sslrootcert"):
        checked(f"postgresql://u@h/d?sslmode=verify-ca&sslrootcert={file}")
