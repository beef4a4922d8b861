"""Licences: read from metadata, judged as SPDX expressions."""

from importlib.metadata import PackageNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.dependencies import licences
from deploy.dependencies.licences import ALLOWED, READ, UnknownLicenceError, licence_of, permitted, refused
from deploy.dependencies.locked import pins
from deploy.dependencies.page import BENCH_LOCK, LOCK

GOOD, BAD = "MIT", "GPL-3.0-only"


class Metadata:
    """A package's metadata, as `importlib.metadata` gives it."""

    def __init__(self, **fields: str) -> None:
        self._fields = {name.replace("_", "-"): value for name, value in fields.items()}

    def get_all(self, name: str) -> list[str] | None:
        """One field, each time that it is there; here separated by `|`."""
        return self._fields[name].split("|") if name in self._fields else None


def tell(monkeypatch: pytest.MonkeyPatch, **fields: str) -> None:
    """Let the package `made-up` have this metadata."""
    monkeypatch.setattr(licences, "metadata", {"made-up": Metadata(**fields)}.__getitem__)


@pytest.mark.parametrize(
    ("expression", "may"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("LGPL-2.1-only OR MIT", True),
        ("MIT AND PSF-2.0", True),
        ("MIT AND GPL-3.0-only OR ISC", True),
        ("MIT AND (GPL-3.0-only OR LGPL-3.0-only)", False),
        ("(MIT OR GPL-3.0-only) AND ISC", True),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("mit", False),
    ],
)
def test_an_expression_is_permitted_when_a_choice_in_it_is(expression: str, *, may: bool) -> None:
    """AND binds before OR; an exception is a licence of its own."""
    assert permitted(expression) is may


@pytest.mark.parametrize("expression", ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "()"])
def test_what_is_no_expression_is_told(expression: str) -> None:
    """It permits nothing."""
    with pytest.raises(UnknownLicenceError):
        permitted(expression)


EXPRESSIONS = st.recursive(
    st.sampled_from([(GOOD, True), (BAD, False)]),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(
        lambda made: (
            f"({made[0][0]} {made[1]} {made[2][0]})",
            (made[0][1] and made[2][1]) if made[1] == "AND" else (made[0][1] or made[2][1]),
        )
    ),
)


@given(EXPRESSIONS)
def test_nesting_changes_no_meaning(made: tuple[str, bool]) -> None:
    """Any expression in parentheses is judged as logic judges it."""
    expression, expected = made
    assert permitted(expression) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License_Expression": "MIT OR Apache-2.0", "License": "other"}, "MIT OR Apache-2.0"),
        ({"License": "Apache 2.0"}, "Apache-2.0"),
        (
            {"License": "The MIT License (MIT)\nCopyright", "Classifier": "License :: OSI Approved :: MIT License"},
            "MIT",
        ),
        ({"Classifier": "Topic :: Internet|License :: OSI Approved :: ISC License (ISCL)"}, "ISC"),
    ],
)
def test_old_and_new_metadata_are_read(monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], expected: str) -> None:
    """The expression counts where there is one, then the licence's own words, then classifiers."""
    tell(monkeypatch, **fields)
    assert licence_of("made-up") == expected


@pytest.mark.parametrize("fields", [{}, {"License": "BSD"}, {"Classifier": "License :: OSI Approved :: BSD License"}])
def test_loose_words_are_refused_with_what_they_were(monkeypatch: pytest.MonkeyPatch, fields: dict[str, str]) -> None:
    """A person reads the licence then, and writes it down."""
    tell(monkeypatch, **fields)
    with pytest.raises(UnknownLicenceError, match=r"made-up: its metadata says ('BSD|nothing)"):
        licence_of("made-up")


def test_what_may_not_be_shipped_is_refused_with_its_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both a licence that is not allowed and one that nobody knows."""
    tell(monkeypatch, License_Expression="AGPL-3.0-only")
    assert [line.partition(", ")[0] for line in refused(["made-up"])] == ["made-up is under AGPL-3.0-only"]
    tell(monkeypatch, License="ask us")
    assert "'ask us'" in refused(["made-up"])[0]


def test_a_package_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what installs it."""

    def missing(name: str) -> Metadata:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(licences, "metadata", missing)
    assert refused(["made-up"]) == ["made-up is not installed: ./run check installs what the lock names"]


def test_licences_that_a_person_read_are_of_packages_that_are_locked() -> None:
    """Nothing stays behind when a package goes."""
    assert set(READ) <= pins(LOCK.read_text()).keys() | pins(BENCH_LOCK.read_text()).keys()
    assert "GPL" not in " ".join(ALLOWED)
