# Tools and the agent from npm, each installed from a committed lock into a folder named by that lock's hash. Sourced.
#
# The locks name no registry, so npm asks the one that the machine is set to.

# Runs in the background. fill_folder TARGET COMMAND…: the command, given a new folder as last argument, fills it; then it gets its
# name, so that a folder is there whole or not at all. A lock keeps two set-ups from doing it twice.
fill_folder() {
  local target=$1 temporary=$1.installing
  shift
  mkdir -p "${target%/*}"
  exec 9>"$MOLT_CACHE/locks/npm-${target##*/}"
  flock 9
  [[ ! -d $target ]] || return 0
  rm -rf "$temporary"
  mkdir -p "$temporary"
  "$@" "$temporary"
  mv "$temporary" "$target"
}

# No install scripts: what they would do (choose a platform's binary) is done by the paths in env.sh.
install_node_tools() {
  cp "$MOLT_ROOT/package.json" "$MOLT_ROOT/package-lock.json" "$1/"
  (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --no-progress)
  local program
  for program in "node-linux-$MOLT_NPM_ARCH/bin/node" "@esbuild/linux-$MOLT_NPM_ARCH/bin/esbuild"; do
    "$1/node_modules/$program" --version
  done
}

# setup_folder NAME TARGET COMMAND…: says that the folder is there, or starts to fill it.
setup_folder() {
  local name=$1 target=$2 started
  started=$(now_ms)
  shift 2
  if [[ -d $target ]]; then
    step_done "$name" "$started" "$target"
    return
  fi
  steps_start "$name" fill_folder "$target" "$@"
}

# Node's import looks for packages in node_modules folders upwards from a test, so the clone gets a link to the cache.
link_node_modules() {
  local link=$MOLT_ROOT/node_modules
  if [[ -L $link || ! -e $link ]]; then
    [[ $(readlink "$link" 2>/dev/null) == "$MOLT_NODE_MODULES" ]] || ln -sfn "$MOLT_NODE_MODULES" "$link"
  fi
}
