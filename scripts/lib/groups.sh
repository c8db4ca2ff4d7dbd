# The groups of end-to-end tests: each is a program with stacks of its own, most of whose time is waiting, so some run side by side. Sourced.

# How many at a time. Three save eight minutes on four cores, and then tests that hold a process within a second come too late now and then.
E2E_LANES=${MOLT_E2E_LANES:-2}

# Names of the groups: what tests/Cargo.toml lists as tests and asks for no feature.
e2e_groups() {
  awk '/^\[/ { if (test && name != "" && !feature) print name; test = ($0 == "[[test]]"); name = ""; feature = 0 }
    test && /^name = / { gsub(/"/, "", $3); name = $3 }
    test && /^required-features/ { feature = 1 }
    END { if (test && name != "" && !feature) print name }' "$MOLT_ROOT/tests/Cargo.toml"
}

# Runs the group $1 and keeps what it says in folder $2.
run_e2e_group() {
  cargo test --no-fail-fast -p e2e-tests --test "$1" >"$2/$1" 2>&1
}

# Compiles all groups, runs them, and prints what each said, one after the other.
run_e2e_groups() {
  local logs code=0 group
  cd "$MOLT_ROOT"
  cargo test --no-run -p e2e-tests
  logs=$(mktemp -d)
  cargo test --no-fail-fast -p e2e-tests --lib || code=1
  export -f run_e2e_group
  e2e_groups | xargs -P "$E2E_LANES" -I '{}' bash -c 'run_e2e_group "$@"' group '{}' "$logs" || code=1
  while read -r group; do cat "$logs/$group"; done < <(e2e_groups)
  rm -rf "$logs"
  return "$code"
}
