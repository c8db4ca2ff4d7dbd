# Tools and the agent from npm, each installed from a committed lock into a folder named by that lock's hash. Sourced.
#
# The locks name no registry, so npm asks the one that the machine is set to. Install scripts are not run, but for the agent's.

# Runs in the background. npm_install SOURCE TARGET [npm options]: installs beside the target and renames, so that a folder is there
# whole or not at all; a lock keeps two set-ups from doing it twice.
npm_install() {
  local source=$1 target=$2 temporary
  shift 2
  mkdir -p "${target%/*}"
  exec 9>"$MOLT_CACHE/locks/npm-${target##*/}"
  flock 9
  [[ ! -d $target ]] || return 0
  temporary=$target.installing
  rm -rf "$temporary"
  mkdir -p "$temporary"
  cp "$source/package.json" "$source/package-lock.json" "$temporary/"
  (cd "$temporary" && npm ci --no-audit --no-fund --no-progress "$@")
  mv "$temporary" "$target"
}

# setup_npm NAME SOURCE TARGET [npm options]
setup_npm() {
  local name=$1 started
  started=$(now_ms)
  shift
  if [[ -d $2 ]]; then
    step_done "$name" "$started" "$2"
    return
  fi
  command -v npm >/dev/null || die 'npm is not on PATH' \
    'Install Node.js 20 or newer with npm (Debian: apt-get install --no-install-recommends nodejs npm); the pinned Node is fetched with it.'
  steps_start "$name" npm_install "$@"
}

# Node's import looks for packages in node_modules folders upwards from a test, so the clone gets a link to the cache.
link_node_modules() {
  local link=$MOLT_ROOT/node_modules
  if [[ -L $link || ! -e $link ]]; then
    [[ $(readlink "$link" 2>/dev/null) == "$MOLT_NODE_MODULES" ]] || ln -sfn "$MOLT_NODE_MODULES" "$link"
  fi
}
