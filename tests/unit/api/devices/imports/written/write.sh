#!/usr/bin/env bash
# Writes the files of this folder anew: four devices of our own, as each tool writes them. Usage: write.sh FOLDER
# Needs psql with PGHOST and others set to any PostgreSQL, uv or pip for a venv, and soffice (LibreOffice Calc).
set -euo pipefail
here=$(mkdir -p "${1:?a folder to write into}" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q duckdb==2.0.1 pandas==3.1.1 polars==2.1.0 openpyxl==3.1.5

psql=psql-$(psql --version | grep -o '[0-9.]*' | head -1)
psql -qX <<SQL
set timezone = 'UTC';
create temporary table device (user_id char(8), platform text, token text, project text, locale text,
                               last_seen timestamptz, "attributes.plan" text, "attributes.note" text);
insert into device values
  ('u-1', 'android', 'tok:1', null, 'ko-KR', '2026-11-20 09:30:15.123456+00', 'pro', null),
  ('김, 민수', 'ios', 'tok:2', null, null, '2026-11-20 09:30:15+00', null, 'say "hi"'),
  ('u-3', 'web', 'tok:3', 'default', null, null, null, E'one\ntwo'),
  ('u-4', 'ios', 'tok:4', null, null, '2026-11-20 09:30:15.1+00', 'free', null);
\copy device to '$here/$psql.csv' csv header
set timezone = 'Asia/Kolkata';
\copy device to '$here/$psql-kolkata.csv' csv header
\pset format unaligned
\pset tuples_only on
\o $here/$psql.ndjson
select json_build_object('user_id', trim(user_id), 'platform', platform,
                         'target', json_build_object('kind', 'token', 'value', token),
                         'project', project, 'locale', locale, 'last_seen', last_seen,
                         'attributes', json_build_object('plan', "attributes.plan", 'note', "attributes.note"))
  from device;
SQL

"$work/venv/bin/python" - "$here" "$work" <<'PYTHON'
import sys
from datetime import UTC, datetime

import duckdb
import openpyxl
import pandas
import polars

here, work = sys.argv[1:]
instant = datetime(2026, 11, 20, 9, 30, 15, 123456, tzinfo=UTC)
rows = {
    "user_id": ["u-1", "김, 민수", "u-3", "u-4"],
    "platform": ["android", "ios", "web", "ios"],
    "token": ["tok:1", "tok:2", "tok:3", "tok:4"],
    "project": [None, None, "default", None],
    "locale": ["ko-KR", None, None, None],
    "last_seen": [instant, instant.replace(microsecond=0), None, instant.replace(microsecond=100_000)],
    "plan": ["pro", None, None, "free"],
    "note": [None, 'say "hi"', "one\ntwo", None],
}
flat = {("attributes." if name in ("plan", "note") else "") + name: column for name, column in rows.items()}
frame = polars.DataFrame(flat)
frame.write_csv(f"{here}/polars-{polars.__version__}.csv")
nested = polars.DataFrame(rows).select(
    "user_id",
    "platform",
    polars.struct(polars.lit("token").alias("kind"), polars.col("token").alias("value")).alias("target"),
    "project",
    "locale",
    "last_seen",
    polars.struct("plan", "note").alias("attributes"),
)
nested.write_ndjson(f"{here}/polars-{polars.__version__}.ndjson")

table = pandas.DataFrame(flat)
table.to_csv(f"{here}/pandas-{pandas.__version__}.csv", index=False)
dicts = [{**row, "last_seen": row["last_seen"]} for row in nested.to_dicts()]
pandas.DataFrame(dicts).to_json(f"{here}/pandas-{pandas.__version__}.ndjson", orient="records", lines=True, date_format="iso")
pandas.DataFrame(dicts).to_json(f"{here}/pandas-{pandas.__version__}-epoch.ndjson", orient="records", lines=True, date_format="epoch")

con = duckdb.connect()
con.execute("set timezone = 'UTC'")
con.register("devices", table)
columns = ", ".join(f'"{name}"' for name in flat)
con.execute(f"copy (select {columns} from devices) to '{here}/duckdb-{duckdb.__version__}.csv' (header)")
con.execute(
    "copy (select user_id, platform, {'kind': 'token', 'value': token} as target, project, locale, last_seen, "
    "{'plan': \"attributes.plan\", 'note': \"attributes.note\"} as attributes from devices) "
    f"to '{here}/duckdb-{duckdb.__version__}.ndjson' (format json)"
)
con.execute(f"copy (select * replace (cast(last_seen as timestamp) as last_seen) from devices) to '{here}/duckdb-{duckdb.__version__}-zoneless.csv' (header)")

book = openpyxl.Workbook()
for sheet, seen in ((book.active, str), (book.create_sheet("dates"), lambda at: at.replace(tzinfo=None))):
    sheet.append([name.upper() if "." not in name else name for name in flat])
    for row in zip(*flat.values()):
        cells = dict(zip(flat, row))
        cells["platform"] = {"android": "Android", "ios": "iOS", "web": "Web"}[cells["platform"]]
        cells["last_seen"] = cells["last_seen"] and seen(cells["last_seen"])
        sheet.append(list(cells.values()))
book.save(f"{work}/book.xlsx")
book.save(f"{here}/openpyxl-{openpyxl.__version__}.xlsx")
PYTHON

office=libreoffice-$(soffice --version | grep -o '[0-9]\+\.[0-9]\+\.[0-9]\+' | head -1)
save() { # NAME SEPARATOR ENCODING SHEET: 44 comma, 59 semicolon, 9 tab; 76 UTF-8, 65535 UTF-16, 62 CP949
  soffice --headless --convert-to "csv:Text - txt - csv (StarCalc):$2,34,$3,1,,0,false,true,false,false,false,$4" \
    --outdir "$work/out" "$work/book.xlsx" >/dev/null
  mv "$work"/out/*.csv "$here/$office$1.csv"
}
save "" 44 76 1
save -semicolon 59 76 1
save -tab-utf-16 9 65535 1
save -cp949 44 62 1
save -dates 44 76 2

# An export of ours for spreadsheets, as it is opened and saved again.
printf '\xef\xbb\xbfdevice_id,user_id,platform,outcome,code,at,message\r\n' >"$work/export.csv"
for id in "'=1+1" "'+8210" "'-5" "'@x" "''=1" "'tis" '김, 민수' "'007" "'12345678901234567890"; do
  printf '1,"%s",ios,accepted,"",2026-11-22T09:00:02.118Z,""\r\n' "$id" >>"$work/export.csv"
done
soffice --headless --infilter="CSV:44,34,76" --convert-to "csv:Text - txt - csv (StarCalc):44,34,76" \
  --outdir "$work/out" "$work/export.csv" >/dev/null
mv "$work/out/export.csv" "$here/$office-export.csv"
