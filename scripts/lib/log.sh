# Progress lines and timed steps. Sourced; needs MOLT_LOGS from env.sh for the logs of background steps.

# Seconds with one decimal since the millisecond stamp $1.
elapsed_since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

now_ms() {
  local t=${EPOCHREALTIME/[.,]/}
  printf '%s' "${t%???}"
}

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }

# Ends the script with a message. Further arguments are lines that say what to do about it.
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  steps_abort
  exit 1
}

# step_done NAME STARTED_MS TEXT: one line of the form "  name    text (1.2 s)".
step_done() { printf '  %-23s %s (%s s)\n' "$1" "$3" "$(elapsed_since "$2")"; }

# Steps that run side by side, each with its own log. steps_start NAME COMMAND…, then steps_wait.
declare -gA STEP_NAME=() STEP_STARTED=()

steps_start() {
  local name=$1 log=$MOLT_LOGS/$1.log
  shift
  # Steps ignore Ctrl-C, as everything in the background does, and would go on when the script is gone.
  trap 'steps_abort; exit 143' INT TERM HUP
  printf '  %-23s started, log %s\n' "$name" "$log"
  # A subshell of its own, so that `set -e` stops the step at its first failure and not the whole script.
  (
    set -euo pipefail
    "$@"
  ) >"$log" 2>&1 </dev/null &
  STEP_NAME[$!]=$name
  STEP_STARTED[$!]=$(now_ms)
}

# Ends the started steps with everything below them.
steps_abort() {
  local pid
  for pid in "${!STEP_NAME[@]}"; do end_tree "$pid"; done
}

end_tree() {
  local children='' child
  read -r children 2>/dev/null <"/proc/$1/task/$1/children" || true
  kill "$1" 2>/dev/null || true
  for child in $children; do end_tree "$child"; done
}

# Runs a script that may take long, in the background, so that a signal ends it at once.
run_script() {
  local pid code=0
  "$@" </dev/null &
  pid=$!
  trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || true; exit 143' INT TERM HUP
  wait "$pid" || code=$?
  trap - INT TERM HUP
  return "$code"
}

# Seconds after which a line says what is still running.
STEP_TICK=20

# Waits for every started step and prints a line as each ends. Fails when one failed, after all have ended, with the tail of its log.
steps_wait() {
  local pid name failed=() code tick='' begun
  begun=$(now_ms)
  while ((${#STEP_NAME[@]})); do
    [[ -n $tick ]] || { sleep "$STEP_TICK" >/dev/null 2>&1 & tick=$!; }
    code=0
    wait -n -p pid "${!STEP_NAME[@]}" "$tick" || code=$?
    if [[ $pid == "$tick" ]]; then
      tick=''
      say "  … ${STEP_NAME[*]} (for $(elapsed_since "$begun") s)"
      continue
    fi
    name=${STEP_NAME[$pid]}
    if ((code == 0)); then
      step_done "$name" "${STEP_STARTED[$pid]}" 'done'
    else
      step_done "$name" "${STEP_STARTED[$pid]}" "FAILED (exit $code)"
      failed+=("$name")
    fi
    unset "STEP_NAME[$pid]" "STEP_STARTED[$pid]"
  done
  [[ -z $tick ]] || kill "$tick" 2>/dev/null || true
  for name in ${failed[@]+"${failed[@]}"}; do
    printf '\nLast lines of %s:\n' "$MOLT_LOGS/$name.log" >&2
    tail -n 25 "$MOLT_LOGS/$name.log" | sed 's/^/    /' >&2
  done
  ((${#failed[@]} == 0)) || return 1
}
