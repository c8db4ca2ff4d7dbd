# Keeps what is compiled outside the clone within bounds. Sourced; needs log.sh.

# Nothing takes away what cargo compiled for a former state of the sources, so target folders grow with every change. Above this many GiB
# they are made anew: a whole run leaves about half as much.
TARGET_LIMIT_GIB=${MOLT_TARGET_LIMIT_GIB:-24}
# GiB that a whole run of the tests takes, stacks and their disks included: when nothing is compiled yet, and when most of it is.
TEST_NEEDS_COLD_GIB=16
TEST_NEEDS_GIB=8

# Whole GiB in the folder $1.
gib_of() {
  local kib
  kib=$(du -sk "$1" 2>/dev/null | cut -f 1)
  printf '%d' $((${kib:-0} / 1024 / 1024))
}

# Whole GiB that may still be written to the disk below folder $1.
gib_free() {
  printf '%d' $(($(df -Pk "$1" | awk 'NR == 2 { print $4 }') / 1024 / 1024))
}

# clear_target NAME: takes away what was compiled, unless somebody compiles into it or runs a program of it.
clear_target() {
  local folder=$MOLT_CACHE/target/$1
  [[ -d $folder ]] || return 0
  (
    flock -n 9 || exit 0
    ! readlink /proc/[0-9]*/exe 2>/dev/null | grep -qF -- "$folder/" || exit 0
    find "$folder" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
  ) 9>"$MOLT_CACHE/locks/target-$1"
}

# Ends with what is missing when a whole run would fill the disk.
make_room() {
  local compiled free needed=$TEST_NEEDS_GIB
  compiled=$(gib_of "$MOLT_CACHE/target") free=$(gib_free "$MOLT_CACHE")
  if ((compiled > TARGET_LIMIT_GIB || free < needed)); then
    clear_target native
    clear_target fuzz
    say "  room                    $compiled GiB compiled, $free GiB free: cleared $MOLT_CACHE/target"
    compiled=$(gib_of "$MOLT_CACHE/target") free=$(gib_free "$MOLT_CACHE")
  fi
  ((compiled >= TEST_NEEDS_COLD_GIB - TEST_NEEDS_GIB)) || needed=$((TEST_NEEDS_COLD_GIB - compiled))
  ((free >= needed)) || die "the disk of $MOLT_CACHE has $free GiB free; a whole run of the tests needs $needed" \
    'Make room, or set MOLT_CACHE to a folder on another disk.'
}
