"""What a lock file says is read whole."""

from deploy.dependencies.locked import Pin, pins

TEXT = """anyio==4.16.0 \\
    --hash=sha256:59bb \\
    --hash=sha256:ffb0
    # via
    #   fastapi
    #   httpx
    #   made-up (pyproject.toml)
h2==4.4.1 ; python_version > "3" \\
    --hash=sha256:59bb
    # via httpx
uvloop==0.23.0 \\
    --hash=sha256:0a
    # via -r requirements.in

# The following packages are considered to be unsafe in a requirements file:
pip==26.3 \\
    --hash=sha256:0b
    # via pip-tools
"""


def test_every_package_has_its_version_and_who_brought_it() -> None:
    """The project itself and its files brought what is declared, so they are left out."""
    assert pins(TEXT) == {
        "anyio": Pin("anyio", "4.16.0", ("fastapi", "httpx")),
        "h2": Pin("h2", "4.4.1", ("httpx",)),
        "uvloop": Pin("uvloop", "0.23.0", ()),
        "pip": Pin("pip", "26.3", ("pip-tools",)),
    }


def test_an_empty_lock_has_no_package() -> None:
    """Nor a failure."""
    assert pins("") == {}
