# Builds and runs the fuzz targets of fuzz/. Sourced; needs log.sh.

# The compiler's own coverage counters are behind a switch that only nightly has on by default; this opens it on any toolchain.
# Without a sanitizer: our code is without `unsafe`, and what is looked for are broken promises, of which more are tried this way.
FUZZ_SANITIZER=${MOLT_FUZZ_SANITIZER:-none}
# What is found is kept outside the clone, so that a next run begins where this one ended.
FUZZ_CACHE=$MOLT_CACHE/fuzz
FUZZ_TARGET_DIR=$MOLT_CACHE/target/fuzz

fuzz_targets() { sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' "$MOLT_ROOT/fuzz/Cargo.toml"; }

# Where the finished programs are: copied, because clones share the target folder.
fuzz_program() { printf '%s/build/fuzz/%s' "$MOLT_ROOT" "$1"; }

build_fuzz_targets() {
  mkdir -p "$MOLT_ROOT/build/fuzz" "$FUZZ_CACHE"
  exec 8>"$MOLT_CACHE/locks/target-fuzz"
  flock 8
  local target
  (cd "$MOLT_ROOT/fuzz" && RUSTC_BOOTSTRAP=1 "$MOLT_CARGO_FUZZ" fuzz build --sanitizer "$FUZZ_SANITIZER" --target-dir "$FUZZ_TARGET_DIR")
  for target in $(fuzz_targets); do
    cp -f "$FUZZ_TARGET_DIR/$(uname -m)-unknown-linux-gnu/release/$target" "$(fuzz_program "$target")"
  done
  exec 8>&-
}

# First inputs of target $1 into folder $2: those committed for it, and the hostile corpus of the end-to-end tests, a line each.
write_seeds() {
  local file line number=0
  [[ ! -d $MOLT_ROOT/fuzz/seeds/$1 ]] || cp "$MOLT_ROOT/fuzz/seeds/$1"/* "$2/"
  case $1 in
    routes) file=paths ;;
    headers) file='headers forged-headers' ;;
    exec_request) file=bodies ;;
    user_token | identity | sign_in | admin_key) file=tokens ;;
    redaction) file='tokens headers paths' ;;
    *) return 0 ;;
  esac
  for file in $file; do
    while IFS= read -r line; do
      [[ -n $line && $line != '#'* ]] || continue
      number=$((number + 1))
      printf '%b' "$line" >"$2/$file-$number"
    done <"$MOLT_ROOT/tests/corpus/$file.txt"
  done
}

# run_fuzz_target TARGET SECONDS: one process, its output on standard output. Fails when an input breaks what the target asserts.
run_fuzz_target() {
  local target=$1 seconds=$2 corpus=$FUZZ_CACHE/corpus/$1 seeds=$MOLT_ROOT/build/fuzz/seeds/$1 options=()
  rm -rf "$seeds"
  mkdir -p "$corpus" "$seeds" "$MOLT_ROOT/build/fuzz/artifacts"
  write_seeds "$target" "$seeds"
  [[ ! -f $MOLT_ROOT/fuzz/dictionaries/$target.dict ]] || options+=("-dict=$MOLT_ROOT/fuzz/dictionaries/$target.dict")
  # An input may take ten seconds and the process 2 GiB: more would be a find as well.
  "$(fuzz_program "$target")" "$corpus" "$seeds" "-max_total_time=$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
    "-artifact_prefix=$MOLT_ROOT/build/fuzz/artifacts/$target-" ${options[@]+"${options[@]}"} 2>&1
}

# The fuzzer's last words: how much it tried.
fuzz_summary() {
  awk '/^stat::number_of_executed_units:/ { runs = $2 } /cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
    END { printf "%d inputs, %d places covered", runs, cov }' "$1"
}
