# shellcheck shell=sh
# What every finding shares: a temporary folder that goes at the end with all that was started, pinned packages in it,
# and the comparison of what is stated with what is seen. Sourced as the first line of a script's work.
#
# Exit codes: 0 as stated, 1 changed, 69 could not be run here (no package, no network).
set -eu

folder=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
chmod 755 "$folder" # PostgreSQL runs as another user when we are root
seen=$folder/seen
library=$(cd "$(dirname "$0")/lib" && pwd)
started=

clean_up() {
    status=$?
    trap - EXIT
    for process in $started; do kill "$process" 2>/dev/null || true; done
    for process in $started; do wait "$process" 2>/dev/null || true; done
    rm -rf "$folder"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

say() { printf '%s\n' "$*" >&2; }
cannot() {
    say "cannot be run here: $*"
    exit 69
}

# In the background; ends with the script, and after five minutes in any case.
start() {
    timeout -k 10 300 "$@" &
    started="$! $started"
}

# with_python NAME==VERSION...: `python` then has these packages and nothing else of the machine's.
with_python() {
    say "$*"
    "${PYTHON:-python3}" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' ||
        cannot "needs Python 3.11 or newer with venv, named by PYTHON where python3 is another"
    "${PYTHON:-python3}" -m venv "$folder/venv"
    timeout 300 "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
        cannot "pip could not install $*"
}

# A program from standard input, two minutes at most; what it prints is what is seen.
python() {
    PYTHONPATH=$library PYTHONWARNINGS=ignore TZ=UTC timeout 120 "$folder/venv/bin/python" - >>"$seen" || {
        cat "$seen"
        say "changed: the program ended with an error, or not within two minutes"
        exit 1
    }
}

# with_node NAME@VERSION...: `node` then finds these packages.
with_node() {
    say "$*"
    command -v npm >/dev/null || cannot "needs Node 20 or newer with npm"
    mkdir "$folder/node"
    timeout 300 npm install --prefix "$folder/node" --cache "$folder/npm" --silent --no-audit --no-fund "$@" ||
        cannot "npm could not install $*"
}

# As `python`.
node() {
    cat >"$folder/node/program.js"
    TZ=UTC timeout 120 node "$folder/node/program.js" >>"$seen" || {
        cat "$seen"
        say "changed: the program ended with an error, or not within two minutes"
        exit 1
    }
}

# The expected output comes on standard input.
as_stated() {
    cat >"$folder/stated"
    if ! diff -u "$folder/stated" "$seen"; then
        say "changed: - is what this finding states, + is what was seen"
        exit 1
    fi
    cat "$seen"
    say "as stated"
}
