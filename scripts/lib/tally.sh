# Counts what a test run did. Sourced; needs log.sh.

PASSED=0 FAILED=0 SKIPPED=0
FAILURES=()

# A step that is one check. step_check NAME LOG COMMAND…: runs it, counts it, and shows the end of the log when it fails.
step_check() {
  local name=$1 log=$2 started code=0
  shift 2
  started=$(now_ms)
  run_logged "$log" "$@" || code=$?
  if ((code == 0)); then
    PASSED=$((PASSED + 1))
    step_done "$name" "$started" 'passed'
  else
    count_failure "$name" "$(ending "$code")"
    step_done "$name" "$started" "FAILED, $(ending "$code")"
    show_tail "$log"
  fi
  return "$code"
}

# step_tests NAME LOG PARSER COMMAND…: runs tests; PARSER reads the log and prints "passed failed skipped".
step_tests() {
  local name=$1 log=$2 parser=$3 started code=0
  shift 3
  started=$(now_ms)
  run_logged "$log" "$@" || code=$?
  count_tests "$name" "$log" "$parser" "$started" "$code"
}

# count_tests NAME LOG PARSER STARTED CODE: what a run of tests said and how it ended.
count_tests() {
  local name=$1 log=$2 parser=$3 started=$4 code=$5 passed failed skipped
  read -r passed failed skipped < <("$parser" "$log")
  if ((code != 0 && failed == 0)); then
    # It did not compile, crashed, or ran out of time: one failure that no test reported.
    count_failure "$name" "$(ending "$code")"
    show_tail "$log"
  elif ((code == 0 && passed + failed + skipped == 0)); then
    code=1
    count_failure "$name" 'no test ran'
  elif ((failed > 0)); then
    show_failed_tests "$log"
    FAILURES+=("$name: $failed tests" $(failed_names "$log"))
  fi
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
  step_done "$name" "$started" "$passed passed, $failed failed$( ((skipped == 0)) || printf ', %d skipped' "$skipped")$( ((code == 0)) || printf ', %s' "$(ending "$code")")"
  return "$code"
}

# As step_tests; a command that exits with 77 could not be tried here, and says why on its last line.
step_tests_or_skip() {
  local name=$1 log=$2 parser=$3 code=0 started
  shift 3
  started=$(now_ms)
  run_logged "$log" "$@" || code=$?
  if ((code == 77)); then
    count_skip "$name" "$(tail -n 1 "$log" | sed 's/^SKIPPED: //')"
    return
  fi
  count_tests "$name" "$log" "$parser" "$started" "$code"
}

count_failure() {
  FAILED=$((FAILED + 1))
  FAILURES+=("$1: $2")
}

# count_skip NAME WHY: aloud, so that nobody takes it for passed.
count_skip() {
  SKIPPED=$((SKIPPED + 1))
  printf '  %-23s SKIPPED: %s\n' "$1" "$2"
}

ending() {
  case $1 in
    124 | 137) printf 'out of time or killed (exit %d)' "$1" ;;
    *) printf 'exit %d' "$1" ;;
  esac
}

# Bounded by STEP_LIMIT, in seconds; without a terminal and with standard input closed.
run_logged() {
  local log=$1
  shift
  timeout --kill-after=30 "${STEP_LIMIT:-1800}" "$@" >"$log" 2>&1 </dev/null
}

show_tail() {
  printf '    last lines of %s:\n' "$1"
  tail -n 40 "$1" | sed 's/^/    | /'
}

# The names of the tests that failed, and what they said.
show_failed_tests() {
  printf '    from %s:\n' "$1"
  {
    sed -n '/^failures:$/,/^test result:/p' "$1"
    # TAP: what failed, and the first two lines of why.
    grep -E -A 2 '^ *(not ok |error: )' "$1" | grep -vE '^ *(--|---|duration_ms: .*|type: .*)$'
  } | head -n 200 | sed 's/^/    | /'
}

# Names of the tests that failed, one word each, for the closing summary: the only part of a long output that everybody reads.
failed_names() {
  {
    sed -nE -e 's/^test (.*[^ ]) +\.\.\. FAILED$/\1/p' -e 's/^ *not ok [0-9]+ - (.+)$/\1/p' "$1"
    # What a test prints may stand between its name and its outcome; the list at the end has it in any case.
    sed -n '/^failures:$/,/^test result:/p' "$1" | sed -nE 's/^    ([a-z0-9_]+(::[a-z0-9_]+)*)$/\1/p'
  } | tr ' ' '_' | sort -u | head -n 40
}

# Sum over the closing lines of libtest and of what imitates it.
parse_cargo_test() {
  awk '/^test result: / {
    for (i = 1; i <= NF; i++) { if ($i == "passed;") p += $(i - 1); if ($i == "failed;") f += $(i - 1); if ($i == "ignored;") s += $(i - 1) }
  } END { print p + 0, f + 0, s + 0 }' "$1"
}

# Sums of Node's TAP output.
parse_node_test() {
  awk '/^# pass / { p += $3 } /^# fail / { f += $3 } /^# cancelled / { f += $3 } /^# skipped / { s += $3 } /^# todo / { s += $3 }
    END { print p + 0, f + 0, s + 0 }' "$1"
}

# The closing line of another of our scripts.
parse_closing_line() {
  awk '/^[0-9]+ passed, [0-9]+ failed/ { p = $1; f = $3; s = $5 } END { print p + 0, f + 0, s + 0 }' "$1"
}

# How many tests each program of a cargo test run held, for a reader who wonders where the sum comes from.
list_cargo_programs() {
  awk '/^ +Running / { n = $0; sub(/.*\(/, "", n); sub(/\).*/, "", n); sub(/.*\//, "", n); sub(/-[0-9a-f]+$/, "", n) }
    /^ +Doc-tests / { n = $2 " (doc)" }
    /^test result: / { printf "    %-28s %s passed, %s failed\n", n, $4, $6 }' "$1" | grep -v ' 0 passed, 0 failed' || true
}

# The closing line; its form is relied on.
closing_line() {
  local line="$PASSED passed, $FAILED failed"
  ((SKIPPED == 0)) || line+=", $SKIPPED skipped"
  printf '%s\n' "$line"
}
