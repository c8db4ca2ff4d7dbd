# Programs of the operating system. Sourced.

# Packages that are missing, by the command that each brings. Sets MISSING_PACKAGES and MISSING_COMMANDS.
find_missing_packages() {
  MISSING_PACKAGES=() MISSING_COMMANDS=()
  local pair
  for pair in "$@"; do
    if ! command -v "${pair%%=*}" >/dev/null; then
      MISSING_COMMANDS+=("${pair%%=*}")
      # A package may bring several commands.
      [[ " ${MISSING_PACKAGES[*]-} " == *" ${pair#*=} "* ]] || MISSING_PACKAGES+=("${pair#*=}")
    fi
  done
}

# How to become root for apt-get: nothing as root, sudo where it asks no password. Sets AS_ROOT or fails.
find_root() {
  AS_ROOT=()
  ((EUID == 0)) && return
  command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
  AS_ROOT=(sudo -n)
}

# Runs in the background.
apt_install() {
  local apt=("${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  # The lists on a new machine may be old or absent; a failing mirror among several is no reason to stop before trying.
  "${apt[@]}" update || echo 'apt-get update failed; trying with the lists that are there'
  "${apt[@]}" install -y --no-install-recommends "$@"
}

# Starts the installation of the given packages, or stops with what to install by hand.
setup_packages() {
  (($#)) || return 0
  if ! command -v apt-get >/dev/null; then
    die "missing on this machine: ${MISSING_COMMANDS[*]-$*}" "Install what brings them (on Debian: apt-get install $*)."
  fi
  find_root || die "missing on this machine: ${MISSING_COMMANDS[*]-$*}, and installing needs root" \
    "sudo apt-get update && sudo apt-get install --no-install-recommends $*"
  steps_start packages apt_install "$@"
}
