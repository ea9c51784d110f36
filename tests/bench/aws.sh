#!/usr/bin/env bash
# lakehand on the local cloud beside a loop of boto3 and pandas. BENCH_FILES: how many files of 4 KB, 2000 by default.
set -euo pipefail
cd "$(dirname "$0")/../.."
root="$PWD"
if [ "${1:-}" != measure ]; then
  exec localstack/services.sh run tests/bench/aws.sh measure
fi
folder="$root/.local/bench-aws"
rm -rf "$folder"
mkdir -p "$folder"
venv="$root/.local/bench-aws-venv"
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'boto3==1.43.*' pandas==3.1.1 pyarrow==26.0.1 zstandard
fi
target="${CARGO_TARGET_DIR:-target}"
cargo build --quiet --release --package lakehand --package lakehand-redshift-standin
port="$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')"
"$target/release/redshift-standin" --listen "127.0.0.1:$port" --postgres "$LAKEHAND_TEST_POSTGRES" \
  --s3-endpoint "$LAKEHAND_TEST_ROTO" --region eu-central-1 >"$folder/standin.log" 2>&1 &
trap 'kill $!' EXIT
sleep 1
"$venv/bin/python" tests/bench/aws.py --binary "$root/$target/release/lakehand" --endpoint "$LAKEHAND_TEST_ROTO" \
  --redshift "http://127.0.0.1:$port" --folder "$folder" --files "${BENCH_FILES:-2000}"
