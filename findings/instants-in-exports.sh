#!/bin/sh
# polars 2.1.0 and DuckDB 2.0.1 write instants to CSV and NDJSON in forms that RFC 3339 does not have.
#
# Expected: a column of instants in UTC is exported in the form that JSON Schema's `date-time`, OpenAPI and most parsers
#   mean, RFC 3339: `2026-11-20T09:30:15.123456Z` or `+00:00`; and one tool has one form.
# Seen: polars writes `+0000` to CSV and `+00:00` to NDJSON. DuckDB writes `+00` to both, and `+05:30` as soon as the
#   session's zone is not at a full hour: what reads an export depends on who made it. pydantic 2.14.4, which takes
#   polars' `+0000`, refuses DuckDB's `+00`, as registration times of devices for instance. pandas 3.1.1 writes RFC 3339
#   but for the T in CSV, which pydantic takes.
. "$(dirname "$0")/lib/finding.sh"

with_python polars==2.1.0 duckdb==2.0.1 pandas==3.1.1 pydantic==2.14.4 tzdata==2026.6
python <<'PYTHON'
import datetime
import os
import tempfile

import duckdb
import pandas
import polars
from pydantic import AwareDatetime, TypeAdapter, ValidationError

INSTANT = datetime.datetime(2026, 11, 20, 9, 30, 15, 123456, tzinfo=datetime.UTC)


def of_duckdb(form, zone):
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as database:
        path = os.path.join(folder, "export")
        database.execute(f"set timezone = '{zone}'")
        database.execute("create table device as select ?::timestamptz as seen_at", [INSTANT])
        database.execute(f"copy device to '{path}' (format {form})")
        return open(path).read()


def value(text):
    return text.splitlines()[-1].removeprefix('{"seen_at":"').removesuffix('"}')


frame = polars.DataFrame({"seen_at": [INSTANT]})
exports = {
    "polars CSV": frame.write_csv(),
    "polars NDJSON": frame.write_ndjson(),
    "DuckDB CSV": of_duckdb("csv", "UTC"),
    "DuckDB NDJSON": of_duckdb("json", "UTC"),
    "DuckDB CSV in India": of_duckdb("csv", "Asia/Kolkata"),
    "pandas CSV": pandas.DataFrame({"seen_at": [INSTANT]}).to_csv(index=False),
}
for name, text in exports.items():
    try:
        read = "taken" if TypeAdapter(AwareDatetime).validate_python(value(text)) == INSTANT else "another instant"
    except ValidationError:
        read = "refused"
    print(f"{name:<19}  {value(text):<32}  pydantic: {read}")
PYTHON
as_stated <<'SEEN'
polars CSV           2026-11-20T09:30:15.123456+0000   pydantic: taken
polars NDJSON        2026-11-20T09:30:15.123456+00:00  pydantic: taken
DuckDB CSV           2026-11-20 09:30:15.123456+00     pydantic: refused
DuckDB NDJSON        2026-11-20 09:30:15.123456+00     pydantic: refused
DuckDB CSV in India  2026-11-20 15:00:15.123456+05:30  pydantic: taken
pandas CSV           2026-11-20 09:30:15.123456+00:00  pydantic: taken
SEEN
