"""Variables that nobody reads are told."""

import re

from deploy.local.folders import REPOSITORY
from shared.variables import KNOWN, PREFIX, SETTINGS, strangers, unknown
from tests.support.settings_manual import variables


def test_every_setting_is_known_and_nothing_else_counts_as_one() -> None:
    """The names here and the classes' fields are the same."""
    assert {f"{PREFIX}{name}" for name in SETTINGS} | {f"{PREFIX}{name}_FILE" for name in SETTINGS} == variables()


def test_a_slip_is_told_with_what_was_meant() -> None:
    """And without its value, which nobody hands in."""
    assert unknown(["CARILLON_LANE", "CARILLON_XYZ", "LANE"]) == {
        "CARILLON_LANE": "CARILLON_LANES",
        "CARILLON_XYZ": None,
    }
    assert strangers(["CARILLON_LANE", "CARILLON_XYZ"]) == (
        "No part of Carillon reads CARILLON_LANE (did you mean CARILLON_LANES?), CARILLON_XYZ."
    )


def test_what_others_read_is_no_stranger() -> None:
    """Files of variables are shared, and Kubernetes adds its own."""
    links = (
        "CARILLON_API_SERVICE_HOST",
        "CARILLON_API_SERVICE_PORT_HTTP",
        "CARILLON_X_PORT",
        "CARILLON_X_PORT_80_TCP_ADDR",
    )
    assert strangers([*KNOWN, *links, "CARILLON_EMULATOR_SEED", "carillon_http_port", "PATH"]) is None


def test_every_variable_of_the_tools_is_known() -> None:
    """As it stands in `./run`, in compose.yaml and below `deploy`."""
    kinds = {".py", ".yaml", ".env", ""}
    files = [path for path in (REPOSITORY / "deploy").rglob("*") if path.is_file() and path.suffix in kinds]
    told = "".join(path.read_text() for path in (*files, REPOSITORY / "run", REPOSITORY / "compose.yaml"))
    assert unknown(re.findall(r"CARILLON_\w*[A-Z](?!\w)", told)) == {}
