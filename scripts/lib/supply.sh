# Bills of materials and advisories of what comes from npm. Sourced; needs env.sh.

MOLT_SBOM=$MOLT_ROOT/build/sbom

# Everything in Cargo.lock, with the workspace's own crates by name.
write_cargo_sbom() {
  local names
  mkdir -p "$MOLT_SBOM"
  "$MOLT_CARGO_SBOM" --project-directory "$MOLT_ROOT" --output-format cyclone_dx_json_1_6 >"$MOLT_SBOM/cargo.cdx.json"
  mapfile -t names < <(cd "$MOLT_ROOT" && cargo metadata --no-deps --format-version 1 | grep -o '"name":"[^"]*","version":"[^"]*","id":"path' | cut -d '"' -f 4)
  ((${#names[@]})) || { echo 'cargo metadata names no crate of the workspace' >&2; return 1; }
  "$MOLT_NODE" "$MOLT_ROOT/scripts/lib/sbom.mjs" "$MOLT_SBOM/cargo.cdx.json" 100 "${names[@]}"
}

# write_npm_sbom FOLDER NAME LEAST PACKAGE…: what the lock in FOLDER of the clone pins.
write_npm_sbom() {
  local folder=$1 name=$2 least=$3 work=$MOLT_SBOM/work-$2
  shift 3
  rm -rf "$work"
  mkdir -p "$work"
  cp "$MOLT_ROOT/$folder"/package.json "$MOLT_ROOT/$folder"/package-lock.json "$work/"
  # A root without a version has no package URL, and npm wants one.
  grep -q '^  "version"' "$work/package.json" || sed -i '0,/^  "name"/s//  "version": "0.0.0",\n  "name"/' "$work/package.json"
  (cd "$work" && npm sbom --sbom-format cyclonedx --package-lock-only) >"$MOLT_SBOM/$name.cdx.json"
  rm -rf "$work"
  "$MOLT_NODE" "$MOLT_ROOT/scripts/lib/sbom.mjs" "$MOLT_SBOM/$name.cdx.json" "$least" "$@"
}

# Asks the registry about the lock in FOLDER of the clone. 0: nothing of high or critical severity; 1: something; 3: it gave no answer.
audit_npm() {
  local report code=0
  report=$(cd "$MOLT_ROOT/$1" && npm audit --package-lock-only --audit-level=high --json --fetch-retries=1 --fetch-timeout=30000) || code=$?
  printf '%s\n' "$report"
  grep -q '"auditReportVersion"' <<<"$report" || return 3
  ((code == 0)) || return 1
}
