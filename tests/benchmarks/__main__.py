"""`python -m tests.benchmarks NAME`: the benchmarks by name."""

import typer

from tests.benchmarks import governor, pipeline

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command("governor")(governor.main)
app.command("pipeline")(pipeline.main)


@app.callback()
def benchmarks() -> None:
    """Benchmarks of Carillon on this machine; --json puts the figures in one line on standard output."""


if __name__ == "__main__":
    app()
