"""Processes that are given something wrong: one line that names the variable, exit code 1, and the secret nowhere."""

import os
import subprocess
import sys
from urllib.parse import quote, urlsplit

import pytest

from deploy.local.folders import REPOSITORY

pytestmark = pytest.mark.timeout(120)

SECRET = "qX7zz#Qj9@vv/Kw3"
ENCODED = quote(SECRET, safe="")
RIGHT = {
    "CARILLON_DATABASE_URL": f"postgresql://u:{ENCODED}@localhost:1/d",
    "CARILLON_AMQP_URL": f"amqp://u:{ENCODED}@localhost:1/v",
    "CARILLON_OPERATOR_KEY": "kT3-mVq9_xLw0ZbRe5",
    "CARILLON_START_TIMEOUT": "0.5",
}


def ended(module: str, environment: dict[str, str]) -> tuple[int, str]:
    """Run it to its end; returns its exit code, and both streams as one."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")}
    done = subprocess.run(  # noqa: S603 - our own modules
        [sys.executable, "-m", module],
        cwd=REPOSITORY,
        env={**plain, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout


def shown(text: str) -> list[str]:
    """What a text shows of the secret."""
    forms = (SECRET, ENCODED)
    return sorted({form[at : at + 4] for form in forms for at in range(len(form) - 3) if form[at : at + 4] in text})


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("services.api", "CARILLON_AMQP_URL", f"amqp://u:{SECRET}@h/v"),
        ("services.api", "CARILLON_AMQP_URL", f"amqp://u:p@h1,u:{ENCODED}@h2/v"),
        ("services.aggregator", "CARILLON_AMQP_URL", f"amqp://u:p@h/v?password={ENCODED}"),
        ("services.sender", "CARILLON_DATABASE_URL", f"postgresql://u:{SECRET}@h/d"),
        ("services.planner", "CARILLON_DATABASE_URL", f"postgresql://u:{ENCODED}@h:five/d"),
        ("services.api", "CARILLON_OPERATOR_KEY", f"{SECRET}é"),
        ("services.api", "CARILLON_OPERATOR_KEY_FILE", SECRET),
        ("services.sender", "CARILLON_LANES", "fast"),
        ("services.sender", "CARILLON_LEDGER_MARGIN", "121"),
        ("services.aggregator", "CARILLON_HTTP_HOST", "a..b"),
        ("services.planner", "CARILLON_DRAIN_TIMEOUT", "60s"),
        ("shared.topology", "CARILLON_MANAGEMENT_URL", f"http://u:{ENCODED}@h:15672"),
        ("shared.topology", "CARILLON_BROKER_PASSWORDS_DIR", "/"),
        ("shared.ledger.migrations", "CARILLON_DATABASE_URL", f"mysql://u:{SECRET}@h/d"),
    ],
)
def test_a_wrong_value_ends_the_process_in_one_line(module: str, name: str, value: str) -> None:
    """Whoever starts it has nothing else to read."""
    environment = {**RIGHT, name: value}
    environment.pop(name.removesuffix("_FILE") if name.endswith("_KEY_FILE") else "", None)
    code, said = ended(module, environment)
    assert code == 1
    assert said.count("\n") == 1, said
    assert name in said
    assert shown(said) == []


@pytest.mark.parametrize("module", ["services.sender", "shared.topology"])
@pytest.mark.parametrize("trouble", ["refused", "nobody there"])
def test_a_broker_that_takes_nobody_learns_and_tells_no_password(
    module: str, trouble: str, amqp_url: str, database_url: str
) -> None:
    """Neither in our lines nor in those of aio-pika and aiormq."""
    broker = urlsplit(amqp_url)
    port = broker.port if trouble == "refused" else 1
    url = f"amqp://{broker.username}:{ENCODED}@{broker.hostname}:{port}{broker.path}?heartbeat=30"
    code, said = ended(
        module,
        {**RIGHT, "CARILLON_AMQP_URL": url, "CARILLON_DATABASE_URL": database_url, "CARILLON_LOG_LEVEL": "DEBUG"},
    )
    assert code == 1
    assert "CARILLON_AMQP_URL is right" in said
    assert shown(said) == []
    assert "Traceback" not in said


@pytest.mark.parametrize("module", ["shared.ledger.migrations"])
@pytest.mark.parametrize("path", ["", "?sslmode=require", "?password=qX7zzQj9vvKw3"])
def test_a_database_that_takes_nobody_tells_no_password(module: str, path: str, database_url: str) -> None:
    """Whatever it refuses: the user, TLS, or a second password."""
    at = urlsplit(database_url)
    url = f"postgresql://nobody:{ENCODED}@{at.hostname}:{at.port}{at.path}{path}"
    code, said = ended(module, {**RIGHT, "CARILLON_DATABASE_URL": url})
    assert code == 1
    assert "CARILLON_DATABASE_URL is right" in said
    assert shown(said) == []
    assert "Traceback" not in said


def test_a_variable_that_nobody_reads_is_told_once_at_the_start() -> None:
    """With what was perhaps meant, and without its value."""
    code, said = ended("services.sender", {**RIGHT, "CARILLON_LANE": SECRET})
    assert code == 1
    assert said.count("CARILLON_LANE (did you mean CARILLON_LANES?)") == 1
    assert shown(said) == []
