#!/usr/bin/env bash
# The local cloud without Docker: emulators and PostgreSQL (services.sh), the Redshift stand-in, two workers. Everything
# listens on loopback and lies below .local.
#
#   localstack/cloud.sh up      start it, make buckets, queues and table, let the first files land
#   localstack/cloud.sh down    stop it and remove its data
#   localstack/cloud.sh status  what runs, and what the workers say of themselves
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/.." && pwd)"
STATE="$root/.local/cloud"
export LAKEHAND_SERVICES="$root/.local/cloud-services"
BIN="${CARGO_TARGET_DIR:-$root/target}/debug"

say() { echo "cloud: $*"; }
alive() { [ -f "$STATE/$1.pid" ] && kill -0 "$(cat "$STATE/$1.pid")" 2>/dev/null; }
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

start() { # name, command…
  local name="$1"; shift
  setsid "$@" >"$STATE/$name.log" 2>&1 </dev/null &
  echo $! > "$STATE/$name.pid"
}

answers() { # name, url
  for _ in $(seq 100); do
    curl --silent --output /dev/null --max-time 2 "$2" && return
    alive "$1" || { say "$1 ended at once:"; tail -n 20 "$STATE/$1.log"; exit 1; }
    sleep 0.1
  done
  say "$1 does not answer at $2"; exit 1
}

up() {
  mkdir -p "$STATE"
  (cd "$root" && cargo build --quiet --package lakehand --package lakehand-redshift-standin)
  "$here/services.sh" up
  # shellcheck disable=SC1091
  source "$LAKEHAND_SERVICES/services.env"
  alive standin || {
    free_port > "$STATE/standin.port"
    start standin "$BIN/redshift-standin" --listen "127.0.0.1:$(cat "$STATE/standin.port")" \
      --postgres "$LAKEHAND_TEST_POSTGRES" --s3-endpoint "$LAKEHAND_TEST_ROTO" --region eu-central-1
    answers standin "http://127.0.0.1:$(cat "$STATE/standin.port")/_standin/faults"
  }
  cat > "$STATE/cloud.env" <<END
source "$LAKEHAND_SERVICES/services.env"
export LAKEHAND_CONFIG=$here/lakehand.toml
export LAKEHAND__AWS__ENDPOINT_URL=$LAKEHAND_TEST_ROTO
export LAKEHAND__AWS__REDSHIFT_DATA_ENDPOINT_URL=http://127.0.0.1:$(cat "$STATE/standin.port")
export LAKEHAND__STATE__FOLDER=$STATE/state
export PATH=$BIN:\$PATH
END
  # shellcheck disable=SC1091
  source "$STATE/cloud.env"
  sh "$here/init.sh"
  for worker in worker1 worker2; do
    alive "$worker" || {
      free_port > "$STATE/$worker.port"
      start "$worker" env "LAKEHAND__HTTP__LISTEN=127.0.0.1:$(cat "$STATE/$worker.port")" "$BIN/lakehand" run
      answers "$worker" "http://127.0.0.1:$(cat "$STATE/$worker.port")/live"
    }
  done
  say "two workers run. In this shell:"
  echo "  source .local/cloud/cloud.env"
  echo "  lakehand loads"
  echo "  lakehand sample --files 8 --seed 8 --land     # more files land"
  echo "  curl http://127.0.0.1:$(cat "$STATE/worker1.port")/metrics"
  echo "  tail -f .local/cloud/worker1.log"
  echo "  make down"
}

stop() {
  alive "$1" || return 0
  local pid; pid="$(cat "$STATE/$1.pid")"
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 450); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
}

down() {
  if [ -d "$STATE" ]; then
    for name in worker1 worker2 standin; do stop "$name"; done
    rm -rf "$STATE"
  fi
  "$here/services.sh" down
}

status() {
  for name in standin worker1 worker2; do
    if alive "$name"; then say "$name runs on port $(cat "$STATE/$name.port")"; else say "$name does not run"; fi
  done
  for worker in worker1 worker2; do
    alive "$worker" && curl --silent "http://127.0.0.1:$(cat "$STATE/$worker.port")/status" && echo
  done
  return 0
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  status) status ;;
  *) sed -n '2,7p' "$0"; exit 2 ;;
esac
