#!/usr/bin/env bash
# Becomes `molt migrate`, with the tools that it needs: what the .mjs scripts start. Builds molt when it is missing.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/env.sh"
. "$MOLT_ROOT/scripts/lib/log.sh"

if [[ ! -x $MOLT_BIN/molt || ! -x $MOLT_NODE ]]; then
  # What the scripts print is not the answer that somebody may read from standard output.
  "$MOLT_ROOT/scripts/setup" --for build >&2
  "$MOLT_ROOT/scripts/build" native >&2
fi
exec "$MOLT_BIN/molt" migrate "$@"
