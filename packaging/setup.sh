# shellcheck shell=bash disable=SC2154
# Sourced by tests/run and examples/quickstart: installs what is missing, configures, builds.
# Expects $source, the checkout. Each function says what it does, and what to do when it can't.

say() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "'$*' needs root and sudo is missing: run it as root, then run ${0##*/} again"
  fi
}

# The packages of the named sections of debian-packages.txt, with this release's names.
packages_of() {
  local section release
  # shellcheck disable=SC1091
  release=$(. /etc/os-release && echo "$ID-${VERSION_ID:-}")
  for section in "$@"; do
    awk -v a="[$section]" -v b="[$section $release]" '/^\[/ { inside = $0 == a || $0 == b } inside && /^[a-z0-9]/' \
      "$source/packaging/debian-packages.txt"
  done
}

# need_packages SECTION…: installs those that are missing, without starting the services they bring.
need_packages() {
  local missing=() package guard=/usr/sbin/policy-rc.d status=0
  command -v dpkg-query >/dev/null || fail "this is no Debian: install the counterparts of packaging/debian-packages.txt, then use --no-install"
  for package in $(packages_of "$@"); do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    say "Packages: all there."
    return
  fi
  say "Packages to install: ${missing[*]}"
  as_root apt-get -q -o Acquire::Retries=3 update || fail "apt-get update failed: check the network and /etc/apt, or install these yourself: ${missing[*]}"
  if [ -e "$guard" ]; then guard=; else
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
    as_root chmod 755 "$guard"
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
    -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 install "${missing[@]}" </dev/null || status=$?
  [ -z "$guard" ] || as_root rm -f "$guard"
  [ "$status" = 0 ] || fail "apt-get could not install: ${missing[*]} (Debian 12 and 13 have them all in main; see its message above)"
}

# need_npm: the command npm, from Debian's package unless Node.js brought its own.
need_npm() { command -v npm >/dev/null || need_packages npm; }

# node_modules_of FOLDER TARGET: what FOLDER's package-lock.json pins, installed in TARGET and not among the sources.
node_modules_of() {
  cmp -s "$1/package-lock.json" "$2/package-lock.json" && [ -d "$2/node_modules" ] && return
  rm -rf "$2"
  mkdir -p "$2"
  cp "$1/package.json" "$1/package-lock.json" "$2/"
  say "Installing what $1/package.json names"
  (cd "$2" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || { rm -rf "$2"; fail "npm ci failed: its message is above; it needs the npm registry, or a cache of it"; }
}

# build PRESET [JOBS [TARGET]]: configures and builds it, with all cores and everything unless told; sets $build to its folder.
build() {
  local jobs=${2:-$(nproc)}
  build=$source/build
  [ "$1" = release ] || build=$source/build-$1
  say "Building into $build with $jobs jobs"
  (cd "$source" && cmake --preset "$1" >"${TMPDIR:-/tmp}/holdfast-configure.$$" 2>&1) ||
    { cat "${TMPDIR:-/tmp}/holdfast-configure.$$" >&2; rm -f "${TMPDIR:-/tmp}/holdfast-configure.$$"; fail "CMake could not configure: what it misses is named above"; }
  rm -f "${TMPDIR:-/tmp}/holdfast-configure.$$"
  cmake --build "$build" --parallel "$jobs" ${3:+--target "$3"} || fail "the build failed: the first error is above"
}
