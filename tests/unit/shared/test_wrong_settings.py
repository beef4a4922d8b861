"""Any value of any setting: it is loaded, or refused in words that name the variable and hold nothing of the value."""

import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from shared.config import example_of, load, variable
from shared.errors import ConfigurationError
from tests.support.settings_manual import kinds

RARE = "qxzQXZ"
"""Letters of which no sentence of ours has two beside each other."""
FIELDS = [(kind, field) for kind in kinds() for field in kind.model_fields]
ENVIRONMENT = {
    "CARILLON_DATABASE_URL": "postgresql://u@h/d",
    "CARILLON_AMQP_URL": "amqp://u@h/v",
    "CARILLON_OPERATOR_KEY": "kT3-mVq9_xLw0ZbRe5",
    "CARILLON_MANAGEMENT_URL": "http://rabbitmq:15672",
}

secrets = st.text(st.sampled_from(f"{RARE * 3}é#@/?:,&=+%! []<>|~"), min_size=6, max_size=24)
shapes = st.sampled_from(
    [
        "{}", "amqp://u:{}@h/v", "amqp://u:{}@h1,h2:x/v", "amqp://{}", "amqp://u:p@h1,u:{}@h2/v", "amqps://h/v?{}",
        "amqp://u:p@h/v?heartbeat={}", "amqp://u:p@h/v?cadata={}", "amqp://u:p@h/v?cafile={}", "amqp:{}", "http://{}",
        "http://u:{}@h:15672", "https://h/{}", "http://h:{}", "postgresql://u:{}@h/d", "postgresql://{}",
        "postgres://u:{}@h:x,h2/d", "postgresql://u:p@h1,u:{}@h2/d", "postgresql://h/d?password={}",
        "postgresql://h/d?sslmode={}", "postgresql://h/d?{}", "postgresql://h/d?sslmode=verify-ca&sslrootcert={}",
        "postgresql://h/d?port={}", "postgresql:///d?host={}", "postgresql+asyncpg://u:{}@h", "/no/{}", "5{}", "{}s",
    ]
)  # fmt: skip
odd = st.sampled_from(["nan", "inf", "-inf", "1e400", "-1", "0", "60s", "1e308", "9" * 5000, " ", "true", "high,fast"])


@contextmanager
def given_environment(values: dict[str, str]) -> Iterator[None]:
    """These variables of ours and no other."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(ENVIRONMENT):
            patch.delenv(name, raising=False)
        patch.delenv("CARILLON_LEDGER_RAMP", raising=False)
        for name, value in values.items():
            patch.setenv(name, value)
        yield


def pieces(secret: str) -> set[str]:
    """Four characters in a row of it, as it is, encoded and decoded; ours have not two of these letters."""
    forms = {secret, quote(secret), quote(secret, safe=""), unquote(secret), repr(secret)[1:-1]}
    cut = {form[at : at + 4] for form in forms for at in range(len(form) - 3)}
    return {piece for piece in cut if sum(letter in RARE for letter in piece) > 1}


def refused(kind: type[BaseSettings]) -> str | None:
    """Everything that anybody could print of the refusal, None when the settings were loaded."""
    try:
        load(kind)
    except ConfigurationError as error:
        behind = (error.__cause__, error.__context__)
        return f"{error}{error!r}{behind}{''.join(traceback.format_exception(error))}"
    return None


@given(where=st.sampled_from(FIELDS), shape=shapes, secret=secrets, by_file=st.sampled_from(["no", "content", "path"]))
def test_what_is_said_of_a_value_holds_nothing_of_it(
    where: tuple[type[BaseSettings], str], shape: str, secret: str, by_file: str
) -> None:
    """In the text, in its traceback, in what is behind it; and a secret that is loaded does not show."""
    kind, field = where
    name, value = variable(kind, field), shape.format(secret)
    values = {other: told for other, told in ENVIRONMENT.items() if other != name}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "told"
        file.write_text(f"{value}\r\n", encoding="utf-8")
        told = {"no": value, "content": str(file), "path": value}[by_file]
        values[name if by_file == "no" else f"{name}_FILE"] = told
        with given_environment(values):
            said = refused(kind)
            if said is not None:
                assert name in said
                assert "(None, None)" in said
                assert not [piece for piece in pieces(secret) if piece in said]
            elif isinstance(getattr(loaded := load(kind), field), SecretStr):
                assert not [piece for piece in pieces(secret) if piece in f"{loaded} {loaded!r}"]


@given(where=st.sampled_from(FIELDS), value=odd | st.text(st.characters(codec="utf-8", exclude_characters="\0")))
@example(where=FIELDS[0], value="postgresql://u:p@h/d?sslmode=")
def test_any_text_is_loaded_or_refused_by_name(where: tuple[type[BaseSettings], str], value: str) -> None:
    """No other error, and no number that no timer can wait for."""
    kind, field = where
    name = variable(kind, field)
    with given_environment({**ENVIRONMENT, name: value}):
        said = refused(kind)
        if said is not None:
            assert name in said
            return
        number = getattr(load(kind), field)
        assert not isinstance(number, float) or (math.isfinite(number) and number <= 1_000_000)


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=[variable(kind, field) for kind, field in FIELDS])
def test_what_is_wrong_is_one_sentence_with_the_variable_a_reason_and_an_example(
    kind: type[BaseSettings], field: str
) -> None:
    """Of a value that nothing can be made of."""
    name = variable(kind, field)
    with given_environment({**ENVIRONMENT, name: "\x7f ?"}):
        said = refused(kind)
    assert said is not None
    text = said.partition("ConfigurationError")[0]
    assert text.startswith(f"Settings are wrong. {name} is wrong: it ")
    assert text.endswith(".")
    assert text.count(name) in {1, 2}
    assert example_of(kind, field) in text or "INFO" in text


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=[variable(kind, field) for kind, field in FIELDS])
def test_each_example_is_right(kind: type[BaseSettings], field: str) -> None:
    """But for paths, which are somebody else's, and the key, whose example makes one."""
    name, value = variable(kind, field), example_of(kind, field)
    if value.startswith(("/", "credentials", "$(")):
        return
    with given_environment({**ENVIRONMENT, name: value}):
        assert refused(kind) is None
