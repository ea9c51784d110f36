#!/usr/bin/env bash
# Applies every deliberate bug of this folder to a copy of the tree, each behind a switch, builds the simulation once, and
# shows that each bug is caught within SEEDS worlds, and that without any the worlds hold. MUTANTS="a b" runs only those.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
here=$root/tests/simulation/mutants
seeds=${SEEDS:-10000}
copy=$(mktemp -d "${TMPDIR:-/tmp}/lakehand-mutants.XXXXXX")
trap 'rm -rf "$copy"' EXIT
git -C "$root" ls-files -z | (cd "$root" && xargs -0 tar cf -) | tar xf - -C "$copy"
for patch in "$here"/*.patch; do
  (cd "$copy" && patch --silent --strip=1 --forward < "$patch") || { echo "$(basename "$patch") does not apply any more"; exit 1; }
done
# A folder of its own: cargo would take the copy for the tree, and build both anew each time.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/mutants
echo "building"
built=$(cd "$copy" && ${CARGO:-cargo} test --quiet --package lakehand-simulation --profile simulation --no-run --message-format json)
simulation=$(grep -oE '"executable":"[^"]*/simulation-[^"]*"' <<< "$built" | tail -n 1 | cut -d '"' -f 4)
run() { "$simulation" "$@"; }
if ! LAKEHAND_MUTANT=none run --seeds 500 --first > "$copy/none.txt" 2>&1; then
  tail -n 5 "$copy/none.txt"
  echo "the worlds do not hold without a bug: nothing can be said of bugs"
  exit 1
fi
survived=0
for patch in "$here"/*.patch; do
  name=$(basename "$patch" .patch)
  [[ $name == 00_switch ]] && continue
  [[ -n ${MUTANTS:-} && " $MUTANTS " != *" $name "* ]] && continue
  began=$SECONDS
  if LAKEHAND_MUTANT=$name run --seeds "$seeds" --first > "$copy/$name.txt" 2>&1; then
    survived=$((survived + 1))
    printf '%-34s SURVIVES %s worlds, %s s\n' "$name" "$seeds" $((SECONDS - began))
  else
    worlds=$(grep -oE '^[0-9]+ worlds, [0-9]+ fail' "$copy/$name.txt" | tail -n 1)
    printf '%-34s caught  %-26s %4s s  %s\n' "$name" "$worlds" $((SECONDS - began)) "$(grep -m 1 '^seed ' "$copy/$name.txt" | cut -c1-150)"
  fi
done
echo "$survived survive, after $SECONDS s"
[[ $survived == 0 ]]
