# The sandbox's real image, built and booted by a Docker engine. Sourced; needs env.sh and system.sh.
#
# The engine is the one that `docker info` reaches, or one that is started here for the time of the test: as root, with a folder of its own, without a
# bridge and without touching the machine's firewall. Its programs may come from Debian's packages, unpacked and not installed. Where the registry does
# not answer, the base is a debootstrap tree, and supervisor and agent are the ones that this clone was built with.

IMAGE_BASE=moltworker-base:test IMAGE_SUPERVISOR=moltworker-supervisor:test IMAGE_AGENT=moltworker-agent:test
IMAGE_PROGRAMS=$MOLT_CACHE/image-programs

# Finds the programs of an engine, or unpacks them. Fails with IMAGE_WHY.
image_programs() {
  local wanted=(docker.io containerd runc libdevmapper1.02.1 debootstrap) scratch
  export PATH=$PATH:$IMAGE_PROGRAMS/usr/bin:$IMAGE_PROGRAMS/usr/sbin
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(echo "$IMAGE_PROGRAMS"/usr/lib/*-linux-gnu | tr ' ' :)
  [[ ! -d $IMAGE_PROGRAMS ]] || export DEBOOTSTRAP_DIR=$IMAGE_PROGRAMS/usr/share/debootstrap
  image_has_programs && return
  command -v apt-get >/dev/null || { IMAGE_WHY='there is no Docker engine, and this is no Debian that could bring one' && return 1; }
  scratch=$(mktemp -d)
  if (cd "$scratch" && { apt-get download "${wanted[@]}" || { "${AS_ROOT[@]}" apt-get update && apt-get download "${wanted[@]}"; }; } &&
    for package in *.deb; do dpkg-deb -x "$package" unpacked; done) >&2; then
    rm -rf "$IMAGE_PROGRAMS" && mv "$scratch/unpacked" "$IMAGE_PROGRAMS"
    export DEBOOTSTRAP_DIR=$IMAGE_PROGRAMS/usr/share/debootstrap
    LD_LIBRARY_PATH=$(echo "$IMAGE_PROGRAMS"/usr/lib/*-linux-gnu "$IMAGE_PROGRAMS"/lib/*-linux-gnu | tr ' ' :)
  fi
  rm -rf "$scratch"
  image_has_programs || { IMAGE_WHY='there is no Docker engine, and its packages could not be fetched' && return 1; }
}

image_has_programs() { command -v dockerd >/dev/null && command -v containerd >/dev/null && image_docker_client >/dev/null; }

# A client that has BuildKit in it or beside it: the first `docker` on the way may be one without its plugin.
image_docker_client() {
  local client
  for client in $(type -ap docker) /usr/bin/docker; do
    if "$client" buildx version >/dev/null 2>&1 || [[ $("$client" --version) == *' 20.10.'* ]]; then
      printf '%s' "$client"
      return
    fi
  done
  return 1
}

# Starts an engine below FOLDER unless one answers. Sets DOCKER; fails with IMAGE_WHY.
image_engine_start() {
  local folder=$1
  if DOCKER=$(image_docker_client) && timeout 20 "$DOCKER" info >/dev/null 2>&1; then
    return
  fi
  ((EUID == 0)) || { IMAGE_WHY='no Docker engine answers, and starting one needs root' && return 1; }
  AS_ROOT=()
  image_programs || return 1
  DOCKER=$(image_docker_client)
  export DOCKER_HOST=unix://$folder/docker.sock
  dockerd --data-root "$folder/data" --exec-root "$folder/exec" --host "$DOCKER_HOST" --pidfile "$folder/pid" \
    --bridge=none --iptables=false --ip6tables=false >"$folder/dockerd.log" 2>&1 &
  IMAGE_DOCKERD=$!
  local deadline=$((SECONDS + 60))
  until timeout 5 "$DOCKER" info >/dev/null 2>&1; do
    if ! kill -0 "$IMAGE_DOCKERD" 2>/dev/null || ((SECONDS >= deadline)); then
      IMAGE_WHY="a Docker engine does not start here: $(tail -n 1 "$folder/dockerd.log" | cut -c 1-200)"
      return 1
    fi
    sleep 0.2
  done
}

# Ends the engine that image_engine_start started, and removes what it kept.
image_engine_stop() {
  local folder=$1
  if [[ -n ${IMAGE_DOCKERD-} ]]; then
    kill "$IMAGE_DOCKERD" 2>/dev/null && wait "$IMAGE_DOCKERD" || true
  fi
  # What was mounted below it goes with it.
  awk -v folder="$folder/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l 2>/dev/null || true
  rm -rf "$folder"
}

# What the image is built from. Sets IMAGE_ARGS: build arguments, one NAME=VALUE each; empty where the registry answers.
image_sources() {
  local folder=$1 tree=$MOLT_CACHE/sandbox-base.tar
  IMAGE_ARGS=()
  if timeout 45 "$DOCKER" pull -q debian:bookworm-slim >&2; then
    return
  fi
  if [[ ! -s $tree ]]; then
    debootstrap --variant=minbase --include=ca-certificates,curl,git,procps bookworm "$folder/tree" >&2 ||
      { IMAGE_WHY='neither a registry nor a Debian mirror answers' && return 1; }
    tar -C "$folder/tree" -cf "$tree.new" . && mv "$tree.new" "$tree"
    rm -rf "$folder/tree"
  fi
  "$DOCKER" import "$tree" "$IMAGE_BASE" >&2
  tar -C "$MOLT_ROOT/build/bin" --transform 's,^sandboxd,opt/molt/sandboxd,' -c sandboxd | "$DOCKER" import - "$IMAGE_SUPERVISOR" >&2
  tar -C "$MOLT_OPENCLAW" --transform 's,^\.,opt/openclaw,' -c . | "$DOCKER" import - "$IMAGE_AGENT" >&2
  IMAGE_ARGS=("BASE_IMAGE=$IMAGE_BASE" "SUPERVISOR=$IMAGE_SUPERVISOR" "AGENT=$IMAGE_AGENT")
}

# A docker for wrangler, which asks for options that a client without buildx does not know; the build is the same without them.
image_docker_for_wrangler() {
  local wrapper=$1/docker
  if "$DOCKER" buildx version >/dev/null 2>&1; then
    printf '%s' "$DOCKER"
    return
  fi
  cat >"$wrapper" <<WRAPPER
#!/usr/bin/env bash
arguments=()
for argument in "\$@"; do
  case \$argument in --load | --provenance=false) ;; *) arguments+=("\$argument") ;; esac
done
DOCKER_BUILDKIT=1 exec $(printf '%q' "$DOCKER") "\${arguments[@]}"
WRAPPER
  chmod +x "$wrapper"
  printf '%s' "$wrapper"
}

# image_test COMMAND…: runs it with the engine and what it is to build from in the environment. Exit 77 with a reason on the last line where there is
# no engine.
image_test() {
  local folder code=0
  folder=$(mktemp -d "${TMPDIR:-/tmp}/molt-image-XXXXXX")
  if image_engine_start "$folder" && image_sources "$folder"; then
    MOLT_IMAGE_DOCKER=$(image_docker_for_wrangler "$folder") MOLT_IMAGE_ARGS="${IMAGE_ARGS[*]}" "$@" || code=$?
  else
    code=77
  fi
  image_engine_stop "$folder"
  ((code != 77)) || echo "SKIPPED: $IMAGE_WHY"
  return "$code"
}
