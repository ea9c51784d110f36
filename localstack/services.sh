#!/usr/bin/env bash
# The services that tests and the local cloud need, on this machine, without Docker: PostgreSQL from Debian, emulators of
# AWS from PyPI in a venv. Everything listens on loopback, on ports that were free.
#
#   localstack/services.sh up [NAME…]  install what is missing, start what does not run (all, or postgres, roto, ministack,
#                                      localstack); writes $STATE/services.env
#   localstack/services.sh down        stop everything, remove its data
#   localstack/services.sh run CMD     start, run CMD with the addresses in its environment, stop
#   localstack/services.sh crash NAME  kill it in the middle of its work; `up NAME` starts it again
#   localstack/services.sh tools CMD   install what is missing, start nothing, run CMD
#
# With LAKEHAND_DURABLE=1 PostgreSQL and roto are started again on the same port, with what they had.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
STATE="${LAKEHAND_SERVICES:-$here/../.local/services}"
CACHE="${LAKEHAND_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lakehand}"
VENV="$CACHE/venv-$(cat "$here/requirements.txt" "$here/requirements-localstack.txt" | sha256sum | cut -c1-12)"
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=eu-central-1 AWS_REGION=eu-central-1

say() { echo "services: $*" >&2; }
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
durable() { [ "${LAKEHAND_DURABLE:-}" = 1 ]; }
port_of() { # name: the port it had, where what it had is kept; another that is free
  if ! { durable && [ -f "$STATE/$1.port" ]; }; then free_port > "$STATE/$1.port"; fi
  cat "$STATE/$1.port"
}
alive() { [ -f "$STATE/$1.pid" ] && kill -0 "$(cat "$STATE/$1.pid")" 2>/dev/null; }

install_venv() {
  [ -f "$VENV/complete" ] && return
  say "installing emulators of AWS into $VENV"
  mkdir -p "$CACHE"
  rm -rf "$VENV"
  python3 -m venv "$VENV" || { apt_install python3-venv; python3 -m venv "$VENV"; }
  "$VENV/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  # A venv of its own: it pins old versions of what the others use new.
  python3 -m venv "$VENV/localstack"
  "$VENV/localstack/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements-localstack.txt"
  "$VENV/localstack/bin/pip" uninstall --quiet -y localstack-ext localstack >/dev/null 2>&1 || true
  touch "$VENV/complete"
}

apt_install() {
  [ "$(id -u)" = 0 ] || { say "please install: $*"; exit 1; }
  say "installing $* by apt"
  apt-get update -qq >&2
  # Debian starts a cluster of its own after the install; nothing here wants it.
  mkdir -p /etc/postgresql-common
  [ -f /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

postgres_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }

as_postgres() { # initdb and postgres refuse to run as root
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/tmp "$@"; else "$@"; fi
}

start() { # name, log, command…
  local name="$1"; shift
  # A session of its own, so that stopping it stops what it started.
  setsid "$@" >"$STATE/$name.log" 2>&1 </dev/null &
  echo $! > "$STATE/$name.pid"
}

wait_for() { # name, url, seconds
  for _ in $(seq "$(($3 * 10))"); do
    if curl --silent --output /dev/null --max-time 2 "$2"; then return; fi
    alive "$1" || { say "$1 ended at once:"; tail -n 20 "$STATE/$1.log" >&2; exit 1; }
    sleep 0.1
  done
  say "$1 does not answer at $2"; tail -n 20 "$STATE/$1.log" >&2; exit 1
}

start_postgres() {
  alive postgres && return
  if durable && [ -f "$STATE/postgres.folder" ]; then run_postgres; return; fi
  [ -n "$(postgres_bin)" ] || apt_install postgresql
  local bin; bin="$(postgres_bin)"
  rm -rf "$STATE/postgres"; mkdir -p "$STATE/postgres"
  [ "$(id -u)" = 0 ] && chown postgres "$STATE/postgres"
  # A data folder that another user owns must be reachable by it.
  local folder; folder="$(cd "$STATE/postgres" && pwd)"
  if ! as_postgres test -w "$folder"; then folder="$(mktemp -d /tmp/lakehand-postgres.XXXXXX)"; chown postgres "$folder"; fi
  echo "$folder" > "$STATE/postgres.folder"
  as_postgres "$bin/initdb" -D "$folder/data" -U lakehand -A trust --no-sync --encoding=UTF8 --locale=C.UTF-8 >"$STATE/postgres-init.log" 2>&1 \
    || { cat "$STATE/postgres-init.log" >&2; exit 1; }
  run_postgres
}

run_postgres() {
  local bin port folder
  bin="$(postgres_bin)"; port="$(port_of postgres)"; folder="$(cat "$STATE/postgres.folder")"
  setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' _ "$STATE/postgres.pid" \
    $( [ "$(id -u)" = 0 ] && echo setpriv --reuid=postgres --regid=postgres --clear-groups ) \
    "$bin/postgres" -D "$folder/data" -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 -c fsync=off \
    -c max_connections=300 -c max_prepared_transactions=0 >"$STATE/postgres.log" 2>&1 </dev/null &
  for _ in $(seq 100); do
    "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" && return
    sleep 0.1
  done
  say "PostgreSQL does not answer"; tail -n 20 "$STATE/postgres.log" >&2; exit 1
}

start_roto() {
  alive roto && return
  local port keep=(--ephemeral); port="$(port_of roto)"
  if durable; then keep=(--data-dir "$STATE/roto" --durable); fi
  start roto "$VENV/bin/roto-server" --host 127.0.0.1 --port "$port" --account-id 000000000000 "${keep[@]}"
  wait_for roto "http://127.0.0.1:$port/" 20
}

start_ministack() {
  alive ministack && return
  local port; port="$(port_of ministack)"
  start ministack env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" "$VENV/bin/ministack"
  wait_for ministack "http://127.0.0.1:$port/" 20
}

start_localstack() {
  alive localstack && return
  local port; port="$(port_of localstack)"
  start localstack env ACTIVATE_PRO=0 SKIP_SSL_CERT_DOWNLOAD=1 DISABLE_EVENTS=1 GATEWAY_LISTEN="127.0.0.1:$port" \
    LOCALSTACK_HOST="127.0.0.1:$port" FILESYSTEM_ROOT="$STATE/localstack" SERVICES=s3,sqs,sts,iam,secretsmanager \
    "$VENV/localstack/bin/python" -m localstack.runtime.main
  wait_for localstack "http://127.0.0.1:$port/_localstack/health" 60
}

up() { # names
  mkdir -p "$STATE"
  install_venv
  [ $# -gt 0 ] || set -- postgres roto ministack localstack
  local name
  for name in "$@"; do "start_$name"; done
  {
    if [ -f "$STATE/postgres.port" ]; then
      echo "export LAKEHAND_TEST_POSTGRES=\"host=127.0.0.1 port=$(cat "$STATE/postgres.port") user=lakehand dbname=postgres\""
    fi
    for name in roto ministack localstack; do
      [ -f "$STATE/$name.port" ] || continue
      echo "export LAKEHAND_TEST_${name^^}=http://127.0.0.1:$(cat "$STATE/$name.port")"
    done
    echo "export LAKEHAND_TEST_VENV=$VENV"
    echo "export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=eu-central-1 AWS_EC2_METADATA_DISABLED=true"
  } > "$STATE/services.env"
  say "up; addresses in $STATE/services.env"
}

crash() { # name
  alive "$1" || return 0
  local pid; pid="$(cat "$STATE/$1.pid")"
  # PostgreSQL's processes share memory: killed by 9, the next start waits for those that are left. QUIT is its word for
  # ending at once and recovering at the next start.
  if [ "$1" = postgres ]; then kill -QUIT "$pid"; else kill -KILL -- "-$pid"; fi
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.05; done
  say "$1 does not end"; exit 1
}

stop() {
  alive "$1" || return 0
  local pid; pid="$(cat "$STATE/$1.pid")"
  kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
}

down() {
  [ -d "$STATE" ] || return 0
  for name in localstack ministack roto postgres; do stop "$name"; done
  [ -f "$STATE/postgres.folder" ] && rm -rf "$(cat "$STATE/postgres.folder")"
  rm -rf "$STATE"
}

case "${1:-}" in
  up) shift; up "$@" ;;
  crash) crash "$2" ;;
  tools)
    shift
    install_venv
    [ -n "$(postgres_bin)" ] || apt_install postgresql
    LAKEHAND_TEST_VENV="$VENV" "$@" ;;
  down) down ;;
  run)
    shift
    trap down EXIT
    up
    # shellcheck disable=SC1091
    source "$STATE/services.env"
    "$@" ;;
  *) sed -n '2,14p' "$0"; exit 2 ;;
esac
