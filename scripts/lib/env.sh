# Paths and environment that every script shares. Sourced; sets variables and nothing else, so it is quick.

if [[ -z ${BASH_VERSINFO-} ]] || ((BASH_VERSINFO[0] < 5)) || ((BASH_VERSINFO[0] == 5 && BASH_VERSINFO[1] < 1)); then
  echo 'error: these scripts need bash 5.1 or newer' >&2
  exit 1
fi

MOLT_ROOT=$(cd -- "${BASH_SOURCE[0]%/*}/../.." && pwd)
if [[ -z ${MOLT_CACHE-} ]]; then
  if [[ -z ${XDG_CACHE_HOME-} && -z ${HOME-} ]]; then
    echo 'error: HOME is not set; set it, or MOLT_CACHE to a folder for downloaded tools and build output' >&2
    exit 1
  fi
  MOLT_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/moltworker
fi
MOLT_LOGS=$MOLT_CACHE/logs
export MOLT_ROOT MOLT_CACHE MOLT_LOGS

# First 12 digits of the SHA-256 over the contents of the given files: names the folder that an npm lock installs into.
content_hash() {
  local sum
  sum=$(cat -- "$@" | sha256sum)
  printf '%s' "${sum:0:12}"
}

case $(uname -m) in
  x86_64) MOLT_NPM_ARCH=x64 ;;
  aarch64) MOLT_NPM_ARCH=arm64 ;;
  *) MOLT_NPM_ARCH=unsupported ;;
esac

# npm tools: one folder per content of the lock, shared by all clones.
MOLT_NODE_TOOLS=$MOLT_CACHE/node-tools/$(content_hash "$MOLT_ROOT/package.json" "$MOLT_ROOT/package-lock.json")
MOLT_NODE_MODULES=$MOLT_NODE_TOOLS/node_modules
MOLT_NODE=$MOLT_NODE_MODULES/node-linux-$MOLT_NPM_ARCH/bin/node
# The command-line file itself: its launcher in bin/ would add a second node process to supervise.
MOLT_WRANGLER=$MOLT_NODE_MODULES/wrangler/wrangler-dist/cli.js
export MOLT_NODE_TOOLS MOLT_NODE_MODULES MOLT_NODE MOLT_WRANGLER

# The agent and the Node that runs it inside a sandbox.
if [[ -f $MOLT_ROOT/images/sandbox/package-lock.json ]]; then
  MOLT_OPENCLAW=$MOLT_CACHE/openclaw/$(content_hash "$MOLT_ROOT"/images/sandbox/{package.json,package-lock.json,install})
  export MOLT_OPENCLAW
else
  unset MOLT_OPENCLAW
fi

# The pinned Node brings its own list of certificate authorities, and would not know those of a company's network.
export NODE_USE_SYSTEM_CA=1

# Cargo tools, and what worker-build looks for by name.
MOLT_CARGO_TOOLS=$MOLT_CACHE/tools/cargo
MOLT_WORKER_BUILD=$MOLT_CARGO_TOOLS/bin/worker-build
MOLT_CARGO_DENY=$MOLT_CARGO_TOOLS/bin/cargo-deny
MOLT_CARGO_FUZZ=$MOLT_CARGO_TOOLS/bin/cargo-fuzz
MOLT_CARGO_SBOM=$MOLT_CARGO_TOOLS/bin/cargo-sbom
WASM_BINDGEN_BIN=$MOLT_CARGO_TOOLS/bin/wasm-bindgen
WASM_OPT_BIN=$MOLT_NODE_MODULES/binaryen/bin/wasm-opt
ESBUILD_BIN=$MOLT_NODE_MODULES/@esbuild/linux-$MOLT_NPM_ARCH/bin/esbuild
export MOLT_CARGO_TOOLS MOLT_WORKER_BUILD MOLT_CARGO_DENY MOLT_CARGO_FUZZ MOLT_CARGO_SBOM WASM_BINDGEN_BIN WASM_OPT_BIN ESBUILD_BIN

# Build output outside the clone: a second clone compiles nothing twice. The finished native tools are copied to MOLT_BIN, because
# two clones share the target folder and must not swap each other's programs.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$MOLT_CACHE/target/native}
# What a second compilation would begin from: gigabytes that a run from a fresh clone never reads.
export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}
MOLT_WASM_TARGET_DIR=${MOLT_WASM_TARGET_DIR:-$MOLT_CACHE/target/wasm}
MOLT_WASM_TOOLCHAIN_FILE=$MOLT_CACHE/wasm/toolchain
MOLT_WASM_SHIMS=$MOLT_CACHE/wasm/shims
MOLT_BIN=$MOLT_ROOT/build/bin
export MOLT_WASM_TARGET_DIR MOLT_WASM_TOOLCHAIN_FILE MOLT_WASM_SHIMS MOLT_BIN

# Debian keeps ip, iptables and nft in sbin, which is not on every user's PATH.
case :$PATH: in *:/usr/sbin:*) ;; *) PATH=$PATH:/usr/sbin:/sbin ;; esac

if [[ -z ${CHROME_BIN-} ]]; then
  for candidate in chromium chromium-browser google-chrome google-chrome-stable; do
    if CHROME_BIN=$(command -v "$candidate"); then break; fi
  done
  unset candidate
fi
export CHROME_BIN

# The toolchain that setup chose for native code, when it is not the one rust-toolchain.toml names (see rust.sh).
if [[ -z ${RUSTUP_TOOLCHAIN-} && -f $MOLT_CACHE/rust-toolchain-name ]]; then
  RUSTUP_TOOLCHAIN=$(<"$MOLT_CACHE/rust-toolchain-name")
  export RUSTUP_TOOLCHAIN
fi
