# The groups of end-to-end tests: each is a program with stacks of its own, most of whose time is waiting, so some run side by side. Sourced.

# How many at a time. Three save eight minutes on four cores, and then tests that hold a process within a second come too late now and then.
E2E_LANES=${MOLT_E2E_LANES:-2}

# How many failed tests at most run again, alone.
E2E_AGAIN=${MOLT_E2E_AGAIN:-3}

# Names of the groups: what tests/Cargo.toml lists as tests and asks for no feature.
e2e_groups() {
  awk '/^\[/ { if (test && name != "" && !feature) print name; test = ($0 == "[[test]]"); name = ""; feature = 0 }
    test && /^name = / { gsub(/"/, "", $3); name = $3 }
    test && /^required-features/ { feature = 1 }
    END { if (test && name != "" && !feature) print name }' "$MOLT_ROOT/tests/Cargo.toml"
}

# Runs the group $1, keeps what it says in folder $2, and notes there that it failed.
run_e2e_group() {
  cargo test --no-fail-fast -p e2e-tests --test "$1" >"$2/$1" 2>&1 || { printf '%s\n' "$1" >>"$2/failed-groups" && return 1; }
}

# Names of the tests that failed according to the log $1, one a line: the list at its end, since what a test prints stands between its name
# and its outcome.
failed_trials() {
  sed -n '/^failures:$/,/^test result:/p' "$1" | sed -nE 's/^    ([a-z0-9_]+(::[a-z0-9_]+)+)$/\1/p' | sort -u
}

# Whether failed tests are all that went wrong in the log $1: not a group that crashed, or a stack that left processes or secrets behind.
only_trials_failed() {
  grep -q '^test result: FAILED' "$1" && ! grep -E '^error: ' "$1" | grep -qvE '^error: (test failed, to rerun|1 target failed)'
}

# Runs test $3 of group $2 once more, alone, and notes it in the group's log in folder $1. Whether it passed now.
again_alone() {
  local log=$1/$2 code=0
  cargo test --no-fail-fast -p e2e-tests --test "$2" -- --exact "$3" >"$log.again" 2>&1 </dev/null || code=$?
  # One that was not found, or left out, has shown nothing.
  grep -q '^test result: ok. 1 passed' "$log.again" || code=1
  sed 's/^/again, alone: /' "$log.again" >>"$log"
  return "$code"
}

# Changes what the log $1 says in the end when $2 of its tests have passed since: those no longer count as failed.
count_as_passed() {
  awk -v n="$2" '/^test result: FAILED/ {
    for (i = 1; i <= NF; i++) { if ($i == "passed;") $(i - 1) += n; if ($i == "failed;") { $(i - 1) -= n; left = $(i - 1) } }
    if (left == 0) sub("FAILED", "ok")
  } { print }' "$1" >"$1.counted"
  mv "$1.counted" "$1"
}

# The tests that failed run again, alone: most bounds are times, and another group beside them takes the machine from them. This says so
# aloud, because the bound or the product is to be mended all the same. More than a few are no chance; then nothing runs again. $1 is the
# folder of the logs. Whether everything has passed in the end.
again() {
  local logs=$1 group trial passed code=0 groups trials
  [[ -s $logs/failed-groups ]] || return 1
  mapfile -t groups <"$logs/failed-groups"
  mapfile -t trials < <(for group in "${groups[@]}"; do failed_trials "$logs/$group"; done)
  ((${#trials[@]} <= E2E_AGAIN)) || return 1
  for group in "${groups[@]}"; do
    only_trials_failed "$logs/$group" || code=1
    passed=0
    mapfile -t trials < <(failed_trials "$logs/$group")
    grep -q "^test result: FAILED.* ${#trials[@]} failed;" "$logs/$group" || code=1
    for trial in "${trials[@]}"; do
      if again_alone "$logs" "$group" "$trial"; then
        passed=$((passed + 1))
        sed -i -e "s/^test \($trial *\)\.\.\. FAILED$/FAILED beside others: \1/" -e "s/^    $trial$/    beside others: $trial/" "$logs/$group"
        printf 'passed only alone: %s %s\n' "$group" "$trial"
      else
        code=1
      fi
    done
    count_as_passed "$logs/$group" "$passed"
  done
  return "$code"
}

# Compiles all groups, runs them, and prints what each said, one after the other.
run_e2e_groups() {
  local logs code=0 lib=0 group
  cd "$MOLT_ROOT"
  cargo test --no-run -p e2e-tests
  logs=$(mktemp -d)
  cargo test --no-fail-fast -p e2e-tests --lib || lib=1
  export -f run_e2e_group
  e2e_groups | xargs -P "$E2E_LANES" -I '{}' bash -c 'run_e2e_group "$@"' group '{}' "$logs" || code=1
  ((code == 0)) || { code=0 && again "$logs" || code=1; }
  while read -r group; do cat "$logs/$group"; done < <(e2e_groups)
  rm -rf "$logs"
  ((code == 0 && lib == 0))
}
