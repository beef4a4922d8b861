"""Licences: what a package's metadata tells, as an SPDX expression, and whether Carillon may ship it."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata

ALLOWED = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"},
)
"""What an image under Apache-2.0 may hold, unmodified, with no condition but its notices. MPL-2.0 is certifi's: its
condition is on changed files, and nothing is changed."""

SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Older metadata, in its own words. Words that leave the choice open, such as `BSD`, have no place here."""

READ = {
    "celery": "BSD-3-Clause",
    "django": "BSD-3-Clause",
    "django-celery-results": "BSD-3-Clause",
    "kubernetes-validate": "Apache-2.0",
    "pip-audit": "Apache-2.0",
    "promql-parser": "MIT",
    "psycopg": "LGPL-3.0-only",
    "pyasn1-modules": "BSD-2-Clause",
    "uvloop": "MIT OR Apache-2.0",
}
"""Read by a person: metadata that says it loosely, and the benchmark's packages, which are not installed here."""


class UnknownLicenceError(Exception):
    """Raised when a package's metadata names no licence that is known here: says what it names."""


def licence_of(name: str) -> str:
    """Give an installed package's licence as an SPDX expression; raises `UnknownLicenceError`."""
    if name in READ:
        return READ[name]
    try:
        told = metadata(name)
    except PackageNotFoundError as error:
        raise UnknownLicenceError(f"{name} is not installed: ./run check installs what the lock names") from error
    for expression in told.get_all("License-Expression") or ():
        return str(expression)
    words: list[str] = [*(told.get_all("License") or ()), *_classified(told.get_all("Classifier") or ())]
    for word in words:
        if word in ALLOWED or word in SPELLINGS:
            return SPELLINGS.get(word, word)
    heard = ", ".join(repr(word[:60]) for word in words if word) or "nothing"
    raise UnknownLicenceError(f"{name}: its metadata says {heard}. Read its licence and add it to READ in {__name__}")


def permitted(expression: str) -> bool:
    """Tell whether an SPDX expression leaves a choice of licences that are all allowed.

    >>> permitted("LGPL-2.1-only OR MIT"), permitted("MIT AND GPL-3.0-only"), permitted("(MIT OR X) AND ISC")
    (True, False, True)
    """
    words = re.findall(r"\(|\)|[^\s()]+", expression)
    result = _either(words)
    if words:
        raise UnknownLicenceError(f"no SPDX expression: {expression}")
    return result


def refused(names: Iterable[str]) -> list[str]:
    """Give a line for each package that may not be shipped, or of which nothing is known."""
    return list(_refused(names))


def _refused(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            expression = licence_of(name)
            if not permitted(expression):
                yield f"{name} is under {expression}, which is not among {', '.join(sorted(ALLOWED))}"
        except UnknownLicenceError as error:
            yield str(error)


def _classified(classifiers: Iterable[str]) -> list[str]:
    return [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: OSI Approved :: ")]


def _either(words: list[str]) -> bool:
    """OR, the loosest; each of these takes its words from the front."""
    result = _both(words)
    while words and words[0] == "OR":
        del words[0]
        result |= _both(words)
    return result


def _both(words: list[str]) -> bool:
    result = _one(words)
    while words and words[0] == "AND":
        del words[0]
        result &= _one(words)
    return result


def _one(words: list[str]) -> bool:
    """One licence, or what stands in parentheses; an exception (WITH) makes it a licence that is not allowed."""
    if not words:
        raise UnknownLicenceError("an SPDX expression that ends too early")
    word = words.pop(0)
    if word == "(":
        result = _either(words)
        if words[:1] != [")"]:
            raise UnknownLicenceError("an SPDX expression with a parenthesis that does not close")
        del words[0]
        return result
    if words[:1] == ["WITH"]:
        del words[:2]
        return False
    return word in ALLOWED
