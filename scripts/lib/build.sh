# Compiles the workers and the native tools. Sourced.

WORKERS=(router admin container-gateway)
NATIVE_TOOLS=(local-engine sandboxd dev-stack molt deploy)
NATIVE_PROFILE=tools
# The encoding of exceptions that wasm-bindgen's catching of panics is written for. As RUSTFLAGS, because worker-build sets that
# variable (it appends to it), and cargo then ignores every other place for flags.
WORKER_RUSTFLAGS='-Cllvm-args=-wasm-use-legacy-eh'

# Where worker $1 lands in mode $2. A build that panics on request never stands where another is looked for.
worker_output() {
  case $2 in
    panic) printf '%s/workers/%s/build-panic' "$MOLT_ROOT" "$1" ;;
    *) printf '%s/workers/%s/build' "$MOLT_ROOT" "$1" ;;
  esac
}

# The files that the last compilation of worker $1 in mode $2 read, as cargo wrote them down, with every manifest on the way to them.
worker_inputs() {
  local dep_info file folder
  dep_info=$(worker_output "$1" "$2")/.inputs
  [[ -f $dep_info ]] || return 1
  local -A folders=()
  while IFS= read -r file; do
    printf '%s\n' "$file"
    folder=${file%/*}
    while [[ $folder == "$MOLT_ROOT"/* && -z ${folders[$folder]-} ]]; do
      folders[$folder]=1
      [[ ! -f $folder/Cargo.toml ]] || printf '%s\n' "$folder/Cargo.toml"
      folder=${folder%/*}
    done
  done <"$dep_info"
  printf '%s\n' "$MOLT_ROOT/Cargo.toml" "$MOLT_ROOT/Cargo.lock" "$MOLT_WASM_TOOLCHAIN_FILE" "$MOLT_ROOT/scripts/lib/build.sh"
}

# Hash over the inputs of worker $1 in mode $2. Fails when the worker was never built or an input has gone.
worker_fingerprint() {
  local files sum
  files=$(worker_inputs "$1" "$2") || return 1
  sum=$({ echo "$2 $MOLT_NODE_TOOLS $WORKER_BUILD_VERSION" && tr '\n' '\0' <<<"$files" | xargs -0 cat --; } 2>/dev/null | sha256sum) || return 1
  printf '%s' "${sum%% *}"
}

# The newest file of a crate may be one that no compilation has seen: a module file that was added beside a changed one is caught by
# the change, so only what the compiler read counts.
worker_is_fresh() {
  local build fingerprint
  build=$(worker_output "$1" "$2")
  [[ -f $build/index.js && -f $build/index_bg.wasm && -f $build/.fingerprint ]] || return 1
  fingerprint=$(worker_fingerprint "$1" "$2") || return 1
  [[ $fingerprint == "$(<"$build/.fingerprint")" ]]
}

# claim_target FOLDER: what another clone compiled into this target folder counts for nothing in this one. Cargo knows the crates of a
# workspace by their paths below it and sees by time stamps whether they changed: crates of two clones are the same to it, and the older
# clone would get the programs of the younger. To be called while the folder's lock is held.
claim_target() {
  local owner=$1/.clone
  [[ ! -f $owner || $(<"$owner") != "$MOLT_ROOT" ]] || return 0
  mkdir -p "$1"
  (cd "$MOLT_ROOT" && find crates workers tests wrangler fuzz \( -name target -o -name node_modules -o -name build -o -name build-panic \) -prune -o -type f -exec touch {} +)
  printf '%s' "$MOLT_ROOT" >"$owner"
}

# compile_worker WORKER MODE (release | dev | panic) FORCE (yes | no). Runs in the background.
compile_worker() {
  # One build of the workers at a time in the shared target folder: it also keeps what two clones produce apart. The lock belongs to
  # the open file that the workers of one build share, so they do not wait for each other.
  flock 7
  if [[ $3 == no ]] && worker_is_fresh "$1" "$2"; then
    echo 'another build has just made it'
    return
  fi
  claim_target "$MOLT_WASM_TARGET_DIR"
  local worker=$1 mode=$2 folder=$MOLT_ROOT/workers/$1 flags=() extra=() profile=release crate output
  output=$(worker_output "$worker" "$mode")
  [[ $mode != dev ]] || flags=(--dev) profile=debug
  # Of the release profile, whose dependencies are compiled already; nobody asks how large it is.
  [[ $mode != panic ]] || flags+=(--no-opt --out-dir build-panic) extra=(. --features induced-panic)
  (
    cd "$folder"
    mkdir -p "$output"
    rm -f "$output/.fingerprint"
    touch "$output/.started"
    PATH=$MOLT_WASM_SHIMS:${MOLT_NODE%/*}:$PATH RUSTFLAGS=$WORKER_RUSTFLAGS CARGO_TARGET_DIR=$MOLT_WASM_TARGET_DIR \
      CARGO_TERM_COLOR=never "$MOLT_WORKER_BUILD" --panic-unwind ${flags[@]+"${flags[@]}"} ${extra[@]+"${extra[@]}"}
  )
  crate=$(sed -n 's/^name = "\(.*\)"/\1/p' "$folder/Cargo.toml" | head -n 1)
  # "target: file file": one file a line, without the target.
  sed -e 's/^[^:]*: *//' -e 's/\([^\\]\) /\1\n/g' "$MOLT_WASM_TARGET_DIR/wasm32-unknown-unknown/$profile/${crate//-/_}.d" |
    sed 's/\\ / /g' >"$output/.inputs"
  # A file that was edited while it was compiled may have been read before or after the edit: no fingerprint, so it is built again.
  if [[ -n $(worker_inputs "$worker" "$mode" | tr '\n' '\0' | xargs -0 -I{} find {} -newer "$output/.started") ]]; then
    echo 'an input changed during the build; the next build will compile it again'
  else
    worker_fingerprint "$worker" "$mode" >"$output/.fingerprint"
  fi
}

# Sizes of worker $1 as built in mode $2, in KiB.
worker_size() {
  local build wasm js zipped
  build=$(worker_output "$1" "$2")
  wasm=$(stat -c %s "$build/index_bg.wasm")
  js=$(stat -c %s "$build/index.js")
  zipped=$(cat "$build/index_bg.wasm" "$build/index.js" | gzip -c | wc -c)
  printf 'wasm %d KiB, js %d KiB, together gzipped %d KiB' $((wasm / 1024)) $((js / 1024)) $((zipped / 1024))
}

# Builds the native tools and copies them into the clone. Runs in the background.
compile_native() {
  local tool packages=()
  for tool in "${NATIVE_TOOLS[@]}"; do packages+=(-p "$tool"); done
  mkdir -p "$MOLT_BIN"
  # Held until the copies are made: another clone that shares the target folder would put its own programs there.
  exec 8>"$MOLT_CACHE/locks/target-native"
  flock 8
  claim_target "$CARGO_TARGET_DIR"
  (cd "$MOLT_ROOT" && cargo build --profile "$NATIVE_PROFILE" --bins "${packages[@]}")
  for tool in "${NATIVE_TOOLS[@]}"; do
    cmp -s "$CARGO_TARGET_DIR/$NATIVE_PROFILE/$tool" "$MOLT_BIN/$tool" && continue
    # A rename, because a running program's file cannot be written to.
    cp "$CARGO_TARGET_DIR/$NATIVE_PROFILE/$tool" "$MOLT_BIN/$tool.new"
    mv -f "$MOLT_BIN/$tool.new" "$MOLT_BIN/$tool"
  done
}
