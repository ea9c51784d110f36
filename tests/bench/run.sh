#!/usr/bin/env bash
# One run, one file, the same work: bytes of nested JSON lines to typed Parquet (zstd), side by side.
# BENCH_MB: size of the file, 1000 by default.
set -euo pipefail
cd "$(dirname "$0")/../.."
local_folder="$PWD/.local/bench"
mkdir -p "$local_folder"
if [ ! -x "$local_folder/venv/bin/python" ]; then
  python3 -m venv "$local_folder/venv"
  "$local_folder/venv/bin/pip" install --quiet duckdb==2.0.0 polars==2.1.0 pandas==3.1.1 pyarrow==26.0.1
fi
target="${CARGO_TARGET_DIR:-target}"
cargo build --quiet --release --package lakehand --package lakehand-transform --bin lakehand --example transform
exec "$local_folder/venv/bin/python" tests/bench/bench.py \
  --binary "$target/release/lakehand" --transform "$target/release/examples/transform" \
  --folder "$local_folder" --megabytes "${BENCH_MB:-1000}"
