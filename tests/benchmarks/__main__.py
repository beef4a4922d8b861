"""`python -m tests.benchmarks NAME`: the benchmarks by name."""

import typer

from tests.benchmarks import (
    aggregator,
    api,
    audiences,
    campaigns,
    celery,
    cluster,
    control,
    governor,
    imports,
    latency,
    ledger,
    memory,
    pipeline,
    planner,
    priority,
    results,
    sender,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command("aggregator")(aggregator.main)
app.command("api")(api.main)
app.command("audiences")(audiences.main)
app.command("campaigns")(campaigns.main)
app.command("celery")(celery.main)
app.command("cluster")(cluster.main)
app.command("control")(control.main)
app.command("governor")(governor.main)
app.command("import")(imports.main)
app.command("latency")(latency.main)
app.command("ledger")(ledger.main)
app.command("memory")(memory.main)
app.command("pipeline")(pipeline.main)
app.command("planner")(planner.main)
app.command("priority")(priority.main)
app.command("results")(results.main)
app.command("sender")(sender.main)


@app.callback()
def benchmarks() -> None:
    """Benchmarks of Carillon on this machine; --json puts the figures in one line on standard output."""


if __name__ == "__main__":
    app()
