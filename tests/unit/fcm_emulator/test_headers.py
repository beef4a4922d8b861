"""Header blocks: what is kept of them is what decoding them anew would give."""

from functools import partial

import pytest
from hpack import Decoder, Encoder
from hpack.struct import HeaderTuple, NeverIndexedHeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from services.fcm_emulator.exchange import Exchange, Handler, Head
from services.fcm_emulator.fields import HeadError
from services.fcm_emulator.headers import BlockError, Heads, Routed, answer_block

TEXT = st.text("abcdefgh/.~", min_size=1, max_size=200)


def route(head: Head) -> Handler:
    """Find a handler that tells its head."""

    def handle(_head: Head, _authorization: str | None, _body: bytes, _exchange: Exchange) -> None:
        """Never called."""

    return partial(handle, head)


def head_of(routed: Routed) -> Head:
    """Return the head that a handler was found for."""
    handler = routed[0]
    assert isinstance(handler, partial)
    head: Head = handler.args[0]
    return head


@given(
    requests=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c?d=e"]) | TEXT, TEXT, st.booleans(), st.booleans()), max_size=30
    ),
    sizes=st.lists(st.none() | st.sampled_from([0, 64, 300, 4096]), min_size=30, max_size=30),
)
def test_a_block_that_is_known_means_what_it_meant(
    requests: list[tuple[str, str, bool, bool]], sizes: list[int | None]
) -> None:
    """Whatever the client indexes, evicts, or says of its table's size in between."""
    encoder, heads = Encoder(), Heads(route)
    for (target, bearer, indexed, huffman), size in zip(requests, sizes, strict=False):
        if size is not None:
            encoder.header_table_size = size
        kind = HeaderTuple if indexed else NeverIndexedHeaderTuple
        fields = [
            HeaderTuple(":method", "POST"),
            HeaderTuple(":scheme", "https"),
            kind(":path", f"/{target}"),
            kind("authorization", bearer),
            HeaderTuple("content-length", "7"),
        ]
        block = encoder.encode(fields, huffman=huffman)
        routed = heads.known.get(block) or heads.read(block)
        path, _, query = f"/{target}".partition("?")
        assert head_of(routed) == Head("POST", path, query, bearer)
        assert routed[1:] == (bearer, 7, False)


def test_a_block_is_decoded_once_while_the_table_stays() -> None:
    """And again when an entry has moved what its numbers mean."""
    encoder, heads = Encoder(), Heads(route)
    first = [(":method", "POST"), (":scheme", "https"), (":path", "/a"), ("authorization", "x" * 30)]
    heads.read(encoder.encode(first))
    assert heads.known == {}
    block = encoder.encode(first)
    heads.read(block)
    assert block in heads.known
    heads.skip(encoder.encode([("another", "entry")]))
    assert heads.known == {}


@pytest.mark.parametrize(
    "fields",
    [
        [(":path", "/")],
        [(":method", "GET")],
        [(":method", "GET"), (":scheme", "https"), (":path", b"/\xff")],
        [(":method", "GET"), (":scheme", "https"), (":path", "/"), ("content-length", "many")],
    ],
)
def test_a_sound_block_without_a_request_is_told_apart(fields: list[tuple[bytes | str, bytes | str]]) -> None:
    """The table is followed all the same."""
    with pytest.raises(HeadError):
        Heads(route).read(Encoder().encode(fields))


def test_a_block_that_cannot_be_decoded_is_told() -> None:
    """Both where it is asked for and where it is skipped."""
    heads = Heads(route)
    with pytest.raises(BlockError):
        heads.read(b"\xff\xff\xff\xff")
    with pytest.raises(BlockError):
        heads.skip(b"\xbe")


@given(
    status=st.sampled_from([200, 404, 418, 429, 502]),
    headers=st.lists(st.tuples(st.sampled_from(["content-type", "retry-after", "x-own"]), TEXT), max_size=5),
)
def test_an_answers_block_says_its_headers_and_leaves_the_clients_table_alone(
    status: int, headers: list[tuple[str, str]]
) -> None:
    """A constant for the connection's whole life."""
    decoder = Decoder()
    found = [(str(field[0]), str(field[1])) for field in decoder.decode(answer_block(status, tuple(headers)))]
    assert found == [(":status", str(status)), *headers]
    assert not decoder.header_table.dynamic_entries
