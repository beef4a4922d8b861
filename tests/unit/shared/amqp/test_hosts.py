"""The broker's URL: several hosts, and no secret in what is said about it."""

import re
from urllib.parse import quote

import pytest
from aiormq.connection import Connection
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from shared.amqp.hosts import Host, parse


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("amqp://u:p@h/v", [("h", 5672)]),
        ("amqp://h", [("h", 5672)]),
        ("amqps://u:p@h/v", [("h", 5671)]),
        ("AMQP://u:p@h1,h2:5673,h3/v", [("h1", 5672), ("h2", 5673), ("h3", 5672)]),
        ("amqps://u:p@[fd00::1],[fd00::2]:5673,10.0.0.1/v", [("fd00::1", 5671), ("fd00::2", 5673), ("10.0.0.1", 5671)]),
        ("amqp://u:p@h1,h1:5672,h2/v", [("h1", 5672), ("h2", 5672)]),
    ],
)
def test_hosts_are_read_with_their_ports(text: str, hosts: list[tuple[str, int]]) -> None:
    """One or several, names and addresses, each once."""
    assert list(parse(text).hosts) == hosts


@pytest.mark.parametrize("vhost", ["", "/", "//", "/%2F", "/v", "/a%2Fb", "/a%20b"])
async def test_a_client_is_told_one_host_and_the_same_login_and_vhost(vhost: str) -> None:
    """As if the URL had named that host alone."""
    login = "us%40er:p%23%2F,:w"
    told = parse(f"amqps://{login}@h1,h2:5673{vhost}?heartbeat=30").at(Host("h2", 5673))
    assert (told.user, told.password, told.host, told.port) == ("us@er", "p#/,:w", "h2", 5673)
    assert told.query["heartbeat"] == "30"
    alone = URL(f"amqps://{login}@h2:5673{vhost}")
    assert Connection(told).vhost == Connection(alone).vhost


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("localhost:5672", "does not begin with amqp://"),
        ("postgres://u:secret@h/v", "does not begin with amqp://"),
        ("amqp://u:sec#ret@h/v", "write %23"),
        ("amqp://u:sec@ret@h/v", "write %40"),
        ("amqp://u:sec/ret@h/v", "write %2F"),
        ("amqp://u:sec?ret@h/v", "%3F"),
        ("amqp://u:p@h1,u2:secret@h2/v", "written once, before the first host"),
        ("amqp://u:p@h1/v,amqp://u:secret@h2/v", "several hosts are one URL"),
        ("amqp://u:secret@h1,,h2/v", "host 2 is empty"),
        ("amqp://u:secret@/v", "host 1 is empty"),
        ("amqp://u:secret@h1,h2:70000/v", "host 2 has no port"),
        ("amqp://u:secret@h1:/v", "host 1 has no port"),
        ("amqp://u:secret@fd00::1/v", "stands in brackets"),
        ("amqp://u:secret@[fd00::zz]/v", "no IPv6 address"),
        ("amqp://u:secret@[fd00::1/v", "no IPv6 address"),
        ("amqp://u:secret@h1, h2/v", "host 2 is no name"),
        ("amqp://u:sec%ffret@h1/v", "not UTF-8"),
        ("amqp://u:secret@h1/v\n", "control character"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(text: str, said: str) -> None:
    """In a sentence that helps."""
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        parse(text)
    assert "sec" not in str(error.value)
    assert "ret" not in str(error.value).replace("written", "")


@given(
    password=st.text(min_size=8).map(lambda text: f"geheim{text}"),
    before=st.sampled_from(["amqp://u:", "amqps://:", "amqp:", "http://u:", ""]),
    behind=st.sampled_from(["@h1,h2/v", "@h1:x/v", "@[::1]/v", "@h/v?heartbeat=3", "/v", "@"]),
)
def test_no_text_makes_it_repeat_a_password(password: str, before: str, behind: str) -> None:
    """Whatever is read or refused."""
    assert "geheim" not in said_of(f"{before}{password}{behind}")


def said_of(text: str) -> str:
    """All that may be seen of a URL."""
    try:
        read = parse(text)
    except ValueError as error:
        return str(error)
    return f"{read} {read!r}"


logins = st.none() | st.text(st.characters(codec="utf-8"), min_size=1)


@given(
    user=logins,
    password=logins,
    vhost=st.text(st.characters(codec="utf-8"), min_size=1),
    hosts=st.lists(
        st.tuples(st.sampled_from(["h1", "rabbit-0.rabbit", "10.0.0.1", "fd00::1"]), st.integers(1, 65535)),
        min_size=1,
        unique=True,
    ),
)
def test_any_login_and_vhost_come_back_as_they_were_encoded(
    user: str | None, password: str | None, vhost: str, hosts: list[tuple[str, int]]
) -> None:
    """What is encoded is no trouble, whatever it is."""
    login = "" if user is None else quote(user, safe="")
    login += "" if password is None else f":{quote(password, safe='')}"
    several = ",".join(str(Host(*host)) for host in hosts)
    read = parse(f"amqp://{login}{'@' if login else ''}{several}/{quote(vhost, safe='')}")
    assert (read.user or None, read.password, read.vhost) == (user, password, vhost)
    assert list(read.hosts) == hosts
    for host in read.hosts:
        told = read.at(host)
        assert (told.user or None, told.password) == (user, password)
        assert (told.host, told.port) == host
