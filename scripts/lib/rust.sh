# Rust for native code, and the tools that come from crates.io. Sourced.

WORKER_BUILD_VERSION=0.8.7
CARGO_DENY_VERSION=0.20.2
CARGO_FUZZ_VERSION=0.13.2
CARGO_SBOM_VERSION=0.10.0

# The version that rust-toolchain.toml asks for.
pinned_rust_version() { sed -n 's/^channel *= *"\(.*\)"/\1/p' "$MOLT_ROOT/rust-toolchain.toml"; }

# Whether the compiler that the given words call is the pinned one, with rustfmt and clippy beside it. Sets RUST_PROBLEM when not.
rust_is_complete() {
  local want=$1 sysroot version
  shift
  sysroot=$(cd "$MOLT_ROOT" && "$@" rustc --print sysroot 2>/dev/null) || {
    RUST_PROBLEM="rustc $want does not start"
    return 1
  }
  version=$(cd "$MOLT_ROOT" && "$@" rustc --version 2>/dev/null) || version=unknown
  [[ $version == "rustc $want "* ]] || {
    RUST_PROBLEM="rustc is \"$version\", wanted $want"
    return 1
  }
  [[ -x $sysroot/bin/cargo-fmt && -x $sysroot/bin/cargo-clippy ]] || {
    RUST_PROBLEM="rustfmt or clippy is missing in $sysroot"
    return 1
  }
}

setup_rust() {
  local started want
  started=$(now_ms)
  want=$(pinned_rust_version)
  if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    die "cargo and rustc are not on PATH (PATH=$PATH)" \
      "Install Rust $want: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- --default-toolchain $want" \
      'and put the bin folder of CARGO_HOME (by default ~/.cargo/bin) on PATH.'
  fi
  if rust_is_complete "$want"; then
    step_done rust "$started" "rustc $want"
    return
  fi
  # A machine whose rustup holds the right release under another name ("stable") and can download nothing needs no download.
  if [[ -z ${RUSTUP_TOOLCHAIN-} ]] && rust_is_complete "$want" env RUSTUP_TOOLCHAIN=stable; then
    printf 'stable' >"$MOLT_CACHE/rust-toolchain-name"
    export RUSTUP_TOOLCHAIN=stable
    step_done rust "$started" "rustc $want, as toolchain \"stable\""
    return
  fi
  if command -v rustup >/dev/null; then
    say "  rust                    $RUST_PROBLEM; asking rustup for $want"
    unset RUSTUP_TOOLCHAIN
    rm -f "$MOLT_CACHE/rust-toolchain-name"
    if timeout 600 rustup toolchain install "$want" --profile minimal --component rustfmt --component clippy --no-self-update \
      >"$MOLT_LOGS/rust.log" 2>&1 </dev/null && rust_is_complete "$want"; then
      step_done rust "$started" "rustc $want, installed by rustup"
      return
    fi
    [[ ! -s $MOLT_LOGS/rust.log ]] || tail -n 5 "$MOLT_LOGS/rust.log" | sed 's/^/    /' >&2
  fi
  die "Rust $want with rustfmt and clippy is needed: $RUST_PROBLEM" \
    "rustup toolchain install $want --component rustfmt --component clippy" \
    'If HOME was changed, set RUSTUP_HOME to the folder that holds the toolchains (by default ~/.rustup).'
}

# The version of the wasm-bindgen library in Cargo.lock, which the command-line tool must equal.
locked_wasm_bindgen_version() {
  local versions
  versions=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/version = |"/, ""); print }' "$MOLT_ROOT/Cargo.lock")
  case $versions in
    '') die 'Cargo.lock names no wasm-bindgen' 'Run cargo metadata once to write it, and commit it.' ;;
    *$'\n'*) die "Cargo.lock names wasm-bindgen more than once: ${versions//$'\n'/, }" 'Only one version can be served by one wasm-bindgen tool.' ;;
  esac
  printf '%s' "$versions"
}

cargo_tool_is_installed() {
  [[ -x $MOLT_CARGO_TOOLS/bin/$3 ]] && grep -qF "\"$1 $2 (" "$MOLT_CARGO_TOOLS/.crates.toml" 2>/dev/null
}

# Runs in the background. One lock per tool: a second setup that starts meanwhile waits and then finds it done.
install_cargo_tool() {
  local crate=$1 version=$2 binary=$3
  shift 3
  exec 9>"$MOLT_CACHE/locks/cargo-$crate"
  flock 9
  cargo_tool_is_installed "$crate" "$version" "$binary" && return
  # The tools have nothing to do with the clone's lock file or target folder.
  cd "$MOLT_CACHE"
  # Lightly optimised: they compile in half the time, and run for seconds.
  env -u CARGO_TARGET_DIR RUSTUP_TOOLCHAIN="${RUSTUP_TOOLCHAIN:-$(pinned_rust_version)}" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_STRIP=symbols \
    cargo install "$crate" --version "$version" --root "$MOLT_CARGO_TOOLS" "$@"
}

# setup_cargo_tool CRATE VERSION BINARY [cargo install options]: says that it is there, or starts its installation.
setup_cargo_tool() {
  local started
  started=$(now_ms)
  if cargo_tool_is_installed "$1" "$2" "$3"; then
    step_done "$1" "$started" "$2"
  else
    steps_start "$1" install_cargo_tool "$@"
  fi
}
