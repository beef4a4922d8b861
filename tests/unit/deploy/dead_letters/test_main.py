"""`./run dead-letters`: what it asks of the API, what it says, and what it exits with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from deploy.dead_letters import __main__ as command

LETTER = {
    "id": "m1",
    "type": "push.batch.v1",
    "queue": "sender.high",
    "routing_key": "new.high",
    "reason": "KeyError: [bold]'x'",
    "campaign_id": "7",
    "request_id": None,
    "died_at": "2026-11-22T09:00:00Z",
    "size": 17,
    "replayable": True,
}
LISTING = {
    "ready": 3,
    "looked_at": 2,
    "complete": False,
    "groups": [{"queue": "sender.high", "reason": "KeyError: [bold]'x'", "count": 2}],
    "items": [LETTER],
}

Answer = Callable[[httpx.Request], httpx.Response]
Run = Callable[..., Result]


class Api:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: list[httpx.Response | Exception] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Give the next answer."""
        body = json.loads(request.content) if request.content else dict(request.url.params)
        self.asked.append((request.method, request.url.raw_path.decode().partition("?")[0], body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Play the API."""
    played = Api()

    def connect(url: str, key: str) -> httpx.Client:
        assert key == "secret"
        return httpx.Client(base_url=url, transport=httpx.MockTransport(played))

    monkeypatch.setattr(command, "connect", connect)
    monkeypatch.setenv("CARILLON_OPERATOR_KEY", "secret")
    monkeypatch.setenv("COLUMNS", "200")
    return played


@pytest.fixture
def run(api: Api) -> Run:
    """Run the command with answers of the API."""

    def run(*arguments: str, answers: list[dict[str, Any] | httpx.Response | Exception] | None = None) -> Result:
        api.answers = [
            answer if isinstance(answer, httpx.Response | Exception) else httpx.Response(200, json=answer)
            for answer in answers or []
        ]
        return CliRunner().invoke(command.app, arguments)

    return run


def outcome(
    matched: int, done: int, failed: dict[str, int] | None = None, *, complete: bool = True, dry: bool = False
) -> dict[str, Any]:
    """An outcome as the API tells it."""
    return {"matched": matched, "done": done, "failed": failed or {}, "complete": complete, "dry_run": dry}


def test_list_shows_groups_and_letters_and_passes_its_filters_on(api: Api, run: Run) -> None:
    """What people wrote into a reason is shown as it is."""
    result = run("list", "--queue", "sender.high", "--limit", "5", answers=[LISTING])
    assert result.exit_code == 0
    assert api.asked == [("GET", "/v1/dead-letters", {"queue": "sender.high", "limit": "5"})]
    for shown in ("3 dead letters, of which the 2 oldest were looked at", "KeyError: [bold]'x'", "m1", "yes"):
        assert shown in result.output


def test_list_says_that_there_are_none(run: Run) -> None:
    """No empty tables."""
    nothing = {"ready": 0, "looked_at": 0, "complete": True, "groups": [], "items": []}
    assert run("list", answers=[nothing]).output == "There are no dead letters.\n"


def test_show_reads_one_whole_whatever_its_id_is(api: Api, run: Run) -> None:
    """A stranger may have chosen it."""
    result = run("show", "a/../b", answers=[{**LETTER, "body": '{"a": "[x]"}', "headers": {"carillon-attempt": "2"}}])
    assert result.exit_code == 0
    assert api.asked == [("GET", "/v1/dead-letters/a%2F%2E%2E%2Fb", {})]
    for shown in ('{"a": "[x]"}', "carillon-attempt: 2", "reason       KeyError: [bold]'x'"):
        assert shown in result.output


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_nothing_is_settled_unless_it_was_said_what(api: Api, run: Run, verb: str) -> None:
    """Nobody means all by leaving something out."""
    result = run(verb)
    assert result.exit_code == 2
    assert "--id, --queue, --reason, or --all" in result.output
    assert api.asked == []


def test_a_dry_run_tells_how_many_and_asks_once(api: Api, run: Run) -> None:
    """Even where more than a look's worth matches."""
    result = run("discard", "--reason", "KeyError", "--dry-run", answers=[outcome(3, 0, complete=False, dry=True)])
    assert result.exit_code == 0
    assert api.asked == [("POST", "/v1/dead-letters/discard", {"reason": "KeyError", "dry_run": True})]
    assert result.output == "3 letters of the oldest that were looked at would be discarded; nothing was done.\n"


def test_a_replay_goes_on_until_all_were_looked_at(api: Api, run: Run) -> None:
    """The API looks at a thousand at once."""
    answers: list[Any] = [outcome(1000, 1000, complete=False), outcome(5, 5)]
    result = run("replay", "--all", "--json", answers=answers)
    assert result.exit_code == 0
    assert [asked[2] for asked in api.asked] == [{"all": True}, {"all": True}]
    assert json.loads(result.output) == outcome(1005, 1005)


@pytest.mark.parametrize("complete", [True, False])
def test_letters_that_stay_are_told_and_fail_the_command(run: Run, complete: bool) -> None:
    """It does not ask for ever for what cannot be done."""
    answers: list[Any] = [outcome(2, 0, {"its queue is elsewhere, which is none of ours": 2}, complete=complete)]
    result = run("replay", "--id", "m1", "--id", "m2", answers=answers)
    assert result.exit_code == 1
    assert "2 stay: its queue is elsewhere, which is none of ours." in result.output


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (httpx.ConnectError("refused"), "does not answer: refused. Set CARILLON_API_URL"),
        (httpx.Response(401, json={"detail": "The key is not known."}), "refused with 401: The key is not known."),
        (httpx.Response(502, text="<html>"), "refused with 502: Bad Gateway"),
    ],
)
def test_trouble_ends_with_a_sentence(run: Run, answer: Any, sentence: str) -> None:
    """No traceback."""
    result = run("list", answers=[answer])
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_the_key_may_lie_in_a_file(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And without any the command says how to give one."""
    monkeypatch.delenv("CARILLON_OPERATOR_KEY")
    assert "set CARILLON_OPERATOR_KEY" in run("list").stderr
    file = tmp_path / "key"
    assert "--key-file cannot be read" in run("--key-file", str(file), "list").stderr
    file.write_text("secret\n")
    assert run("--key-file", str(file), "list", answers=[LISTING]).exit_code == 0
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    ("address", "key", "said"),
    [
        ("localhost:8000", "qxzq-key", "CARILLON_API_URL, or --api, is wrong: it does not begin with http://"),
        ("http://u:qxzq@localhost", "key", "CARILLON_API_URL, or --api, is wrong: it holds an @"),
        ("http://h:qxzq", "key", "CARILLON_API_URL, or --api, is wrong: it has no port"),
        ("http://h", "qxzq key", "CARILLON_OPERATOR_KEY holds no key"),
        ("http://h", "qxzqé", "CARILLON_OPERATOR_KEY holds no key"),
    ],
)
def test_a_wrong_address_or_key_is_told_without_it(
    address: str, key: str, said: str, api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, before anybody is called."""
    monkeypatch.setenv("CARILLON_API_URL", address)
    monkeypatch.setenv("CARILLON_OPERATOR_KEY", key)
    result = run("list")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"carillon: {said}")
    assert result.stderr.count("\n") == 1
    assert "qxzq" not in result.output
    assert api.asked == []
