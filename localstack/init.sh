#!/bin/sh
# Once the services answer: makes buckets, queues, notification and table, and lets the first files land.
set -eu
export LAKEHAND_CONFIG="${LAKEHAND_CONFIG:-/localstack/lakehand.toml}"
tries=0
until lakehand provision --create-buckets; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || exit 1
  sleep 2
done
lakehand sample --files 4 --lines 150 --corrupt 2 --land
