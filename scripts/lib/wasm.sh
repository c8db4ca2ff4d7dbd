# The toolchain that compiles the workers: wasm32-unknown-unknown with the standard library rebuilt for panic=unwind. Sourced.
#
# worker-build asks for "cargo +nightly" to rebuild the standard library. What it needs of nightly is only that unstable options are
# accepted, so a folder of shims in front of PATH answers with a release compiler and RUSTC_BOOTSTRAP=1: one pinned compiler instead
# of a moving one. That compiler comes from rustup where it can download, else from Debian's rustc-web packages.

WASM_TARGET=wasm32-unknown-unknown
DEBIAN_WASM_PACKAGES=(rustc-web cargo-web rust-web-src lld-19)
DEBIAN_WASM_LD=/usr/lib/llvm-19/bin/wasm-ld
RUSTUP_DIST=${RUSTUP_DIST_SERVER:-https://static.rust-lang.org}/dist

# Whether the sysroot $1 can compile for the target and holds the library's source.
sysroot_has_wasm() {
  [[ -x $1/bin/cargo && -x $1/bin/rustc && -d $1/lib/rustlib/$WASM_TARGET/lib && -f $1/lib/rustlib/src/rust/library/std/Cargo.toml ]]
}

debian_has_wasm() {
  [[ -x /usr/bin/cargo && -x $DEBIAN_WASM_LD && -f /usr/lib/rustlib/src/rust/library/std/Cargo.toml ]] || return 1
  local version minor
  version=$(/usr/bin/rustc --version 2>/dev/null) || return 1
  minor=${version#rustc 1.}
  minor=${minor%%.*}
  local want=${1#1.}
  [[ $minor =~ ^[0-9]+$ ]] && ((minor >= ${want%%.*}))
}

rustup_can_download() {
  command -v rustup >/dev/null && command -v curl >/dev/null &&
    curl -fsSI --connect-timeout 3 --max-time 6 -o /dev/null "$RUSTUP_DIST/channel-rust-$1.toml.sha256" 2>/dev/null
}

# Decides where the toolchain comes from, cheapest first, and sets WASM_KIND (rustup | debian) and WASM_SYSROOT.
# WASM_KIND=rustup-download and WASM_KIND=apt mean that something must be fetched first. MOLT_WASM_TOOLCHAIN=rustup|debian forces one.
decide_wasm_toolchain() {
  local rust=$1 forced=${MOLT_WASM_TOOLCHAIN-} own private=$MOLT_CACHE/rustup/toolchains
  case $forced in '' | rustup | debian) ;; *) die "MOLT_WASM_TOOLCHAIN is \"$forced\"" 'It may be rustup or debian.' ;; esac
  WASM_SYSROOT=
  if [[ $forced != debian ]]; then
    own=$(cd "$MOLT_ROOT" && rustc --print sysroot)
    for WASM_SYSROOT in "$own" "$private/$rust-"*; do
      if sysroot_has_wasm "$WASM_SYSROOT"; then
        WASM_KIND=rustup
        return
      fi
    done
    WASM_SYSROOT=
  fi
  if [[ $forced != rustup ]] && debian_has_wasm "$rust"; then
    WASM_KIND=debian
  elif [[ $forced != debian ]] && rustup_can_download "$rust"; then
    WASM_KIND=rustup-download
  elif [[ $forced != rustup ]] && command -v apt-get >/dev/null; then
    WASM_KIND=apt
  else
    die "no toolchain for $WASM_TARGET" \
      "With rustup: rustup target add $WASM_TARGET && rustup component add rust-src" \
      "On Debian: apt-get install --no-install-recommends ${DEBIAN_WASM_PACKAGES[*]}"
  fi
}

# Into a RUSTUP_HOME of the cache: the user's own toolchains stay as they are.
install_wasm_by_rustup() {
  local rust=$1
  exec 9>"$MOLT_CACHE/locks/rustup"
  flock 9
  RUSTUP_HOME=$MOLT_CACHE/rustup RUSTUP_TOOLCHAIN='' timeout 900 rustup toolchain install "$rust" --profile minimal \
    --component rust-src --target "$WASM_TARGET" --no-self-update
}

write_executable() {
  local temporary=$1.$$
  cat >"$temporary"
  chmod +x "$temporary"
  mv -f "$temporary" "$1"
}

# Writes the shims for WASM_KIND and WASM_SYSROOT, and the decision beside them.
write_wasm_shims() {
  local rust=$1 bin linker='' libdir=$MOLT_CACHE/wasm/libdir
  mkdir -p "$MOLT_WASM_SHIMS" "$libdir"
  if [[ $WASM_KIND == debian ]]; then
    bin=/usr/bin
    linker="export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$DEBIAN_WASM_LD"
  else
    bin=$WASM_SYSROOT/bin
  fi
  write_executable "$MOLT_WASM_SHIMS/cargo" <<SHIM
#!/bin/sh
[ "\${1-}" != +nightly ] || shift
$linker
RUSTC_BOOTSTRAP=1 exec $bin/cargo "\$@"
SHIM
  # worker-build wants the folder of a ready-made standard library to exist. There is none in Debian, and none is used: it is rebuilt.
  write_executable "$MOLT_WASM_SHIMS/rustc" <<SHIM
#!/bin/sh
[ "\${1-}" != +nightly ] || shift
if [ "\$*" = "--target $WASM_TARGET --print target-libdir" ]; then echo "$libdir"; exit 0; fi
RUSTC_BOOTSTRAP=1 exec $bin/rustc "\$@"
SHIM
  write_executable "$MOLT_WASM_SHIMS/rustup" <<'SHIM'
#!/bin/sh
case "$1 ${2-}" in
  'component list') echo 'rust-src (installed)' ;;
  *) echo "rustup is not used in this build (asked for: $*)" >&2; exit 1 ;;
esac
SHIM
  printf 'kind=%s\nrust=%s\nbin=%s\nversion=%s\n' "$WASM_KIND" "$rust" "$bin" "$("$bin/rustc" --version)" >"$MOLT_WASM_TOOLCHAIN_FILE"
}

# Whether an earlier decision still holds: for this release, not forced otherwise, and its compiler is still there.
wasm_decision_holds() {
  [[ -f $MOLT_WASM_TOOLCHAIN_FILE && -x $MOLT_WASM_SHIMS/cargo && -d $MOLT_CACHE/wasm/libdir ]] || return 1
  local kind='' rust='' bin='' key value
  while IFS='=' read -r key value; do
    case $key in kind) kind=$value ;; rust) rust=$value ;; bin) bin=$value ;; esac
  done <"$MOLT_WASM_TOOLCHAIN_FILE"
  [[ $rust == "$1" && (-z ${MOLT_WASM_TOOLCHAIN-} || $MOLT_WASM_TOOLCHAIN == "$kind") && -x $bin/rustc ]] || return 1
  if [[ $kind == debian ]]; then
    [[ -x $DEBIAN_WASM_LD && -f /usr/lib/rustlib/src/rust/library/std/Cargo.toml ]]
  else
    sysroot_has_wasm "${bin%/bin}"
  fi
}
