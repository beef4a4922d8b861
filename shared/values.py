"""What the value of a setting may be: types for the classes of settings, each with its check.

A check raises `ValueError` with the reason in words that follow "NAME is wrong:". It never repeats the value, or a
part of it: the value may be a secret, or hold one, and what was written in its place may be one as well.
"""

import re
import ssl
from base64 import b64decode
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from shared import database_url
from shared.amqp import hosts

LONGEST = 1_000_000.0
"""Seconds, eleven days: what is longer was meant in milliseconds, and timers end somewhere."""
OLDEST = 36_500.0
"""Days, a century: PostgreSQL's dates go on, and nobody's wishes do."""

NUMBERS = frozenset({"heartbeat", "timeout", "interleave", "happy_eyeballs_delay", "reconnect_interval"})
FILES = frozenset({"cafile", "certfile", "keyfile"})
OTHERS = frozenset({"auth", "cadata", "capath", "fail_fast", "name", "no_verify_ssl"})
"""What aio-pika and aiormq read behind the ? of a broker's URL. Whatever else stands there ends up in log lines."""

_LOGIN_ELSEWHERE = "it holds an @: the user and the password have no place in it"
_WHITE = re.compile(r"[\s\x00-\x1f\x7f]")


def _database(value: SecretStr) -> SecretStr:
    return SecretStr(database_url.checked(value.get_secret_value()))


def _broker(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    query = hosts.parse(text).query
    try:
        parameters = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        parameters = [("", "")]
    known = sorted(NUMBERS | FILES | OTHERS)
    for name, told in parameters:
        if name not in known:
            raise ValueError(
                f"it has something behind the ? that is none of {', '.join(known)}; in a password write %3F"
            )
        if name in NUMBERS and not re.fullmatch(r"\d{1,5}(\.\d{1,3})?", told, re.ASCII):
            raise ValueError(f"its {name} is no number")
        if name in FILES and not _readable(Path(told)):
            raise ValueError(f"its {name} is no file that can be read")
        if name == "cadata":
            _base64(told)
    return SecretStr(text)


def _base64(text: str) -> None:
    try:
        b64decode(text, validate=True)
    except ValueError:
        raise ValueError("its cadata is not base64") from None


def web_url(value: str) -> str:
    """An address over HTTP, of which nothing but the host is looked at closely."""
    text = value.strip()
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError("it does not begin with http:// or https://")
    if _WHITE.search(text) or "#" in text:
        raise ValueError("it holds a space, a # or a control character")
    if "@" in text:
        raise ValueError(_LOGIN_ELSEWHERE)
    try:
        parts = urlsplit(text)
        port, name = parts.port, parts.hostname or ""
    except ValueError:
        port, name = 0, ""
    if port == 0:
        raise ValueError(f"it has no port from 1 to {hosts.LARGEST_PORT} behind its colon, or cannot be read")
    if ":" not in name:
        database_url.host_name(name)
    return text


def base_url(value: str) -> str:
    """As `web_url`, for what paths are put behind."""
    text = web_url(value)
    if "?" in text:
        raise ValueError("it holds a ?, and paths are put behind it")
    return text


def _address(value: str) -> str:
    text = value.strip()
    if text.startswith("[") or "/" in text:
        raise ValueError("it is a name or an address alone, without brackets, scheme and port")
    if re.fullmatch(r"[0-9A-Fa-f:.]+(%[\w.-]+)?", text) and text.count(":") > 1:
        return text
    database_url.host_name(text)
    return text


def _level(value: object) -> object:
    if not isinstance(value, str):
        return value
    level = value.strip().upper()
    return {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level)


def _certificates(value: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(value))
    except (OSError, ValueError):  # an `SSLError` is an `OSError`
        pass
    else:
        return value
    raise ValueError("it names no file that can be read and holds certificates in PEM")


def _folder(value: Path) -> Path:
    if not value.is_dir():
        raise ValueError("it names no folder that is there")
    return value


def _readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except (OSError, ValueError):
        return False


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
BrokerUrl = Annotated[SecretStr, AfterValidator(_broker)]
WebUrl = Annotated[str, AfterValidator(web_url)]
BaseUrl = Annotated[str, AfterValidator(base_url)]
Address = Annotated[str, AfterValidator(_address)]
Level = Annotated[str, BeforeValidator(_level), Field(pattern=r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")]
Certificates = Annotated[Path, AfterValidator(_certificates)]
Folder = Annotated[Path, AfterValidator(_folder)]
Seconds = Annotated[float, Field(gt=0, le=LONGEST)]
SecondsOrNone = Annotated[float, Field(ge=0, le=LONGEST)]
Days = Annotated[float, Field(gt=0, le=OLDEST)]
