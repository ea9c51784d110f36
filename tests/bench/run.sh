#!/usr/bin/env bash
# The same work side by side in one run: bytes to typed Parquet (zstd).
# BENCH_MB: megabytes of the widest input, 1000 by default. BENCH_ONLY: some of wide,gz,zst,narrow,csv,small.
set -euo pipefail
cd "$(dirname "$0")/../.."
local_folder="$PWD/.local/bench"
mkdir -p "$local_folder"
if [ ! -x "$local_folder/venv/bin/python" ]; then
  python3 -m venv "$local_folder/venv"
  "$local_folder/venv/bin/pip" install --quiet duckdb==2.0.0 polars==2.1.0 pandas==3.1.1 pyarrow==26.0.1 zstandard "dlt[filesystem,parquet]"
fi
target="${CARGO_TARGET_DIR:-target}"
cargo build --quiet --release --package lakehand --package lakehand-transform --bin lakehand --example transform
exec "$local_folder/venv/bin/python" tests/bench/bench.py \
  --binary "$target/release/lakehand" --transform "$target/release/examples/transform" \
  --folder "$local_folder" --megabytes "${BENCH_MB:-1000}" --only "${BENCH_ONLY:-}"
