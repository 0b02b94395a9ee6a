# Sourced by quickstart and check: packages, build, staged installation. Everything goes under $BUILD (default ./build).
# shellcheck shell=bash
set -euo pipefail

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${HOLDFAST_BUILD:-$SOURCE/build}
export HOLDFAST_BUILD=$BUILD
export HOLDFAST_STAGE=${HOLDFAST_STAGE:-$BUILD/stage}
export LAB_DIR=${LAB_DIR:-$BUILD/lab}
START_SECONDS=$SECONDS

say() { printf '\033[1m[%3d s]\033[0m %s\n' $((SECONDS - START_SECONDS)) "$*"; }
die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# run_logged NAME COMMAND...: quiet; on failure the end of its log is shown.
run_logged() {
    local name=$1 log
    shift
    log=$BUILD/logs/$name.log
    mkdir -p "$BUILD/logs"
    if ! "$@" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        die "$name failed; the whole log is $log"
    fi
}

packages_listed() { sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$SOURCE/deploy/packages"; }

packages_missing() {
    local package
    for package in $(packages_listed); do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

setup_packages() {
    local missing
    [ "$(. /etc/os-release && echo "$ID$VERSION_ID")" = debian12 ] || say "this is not Debian 12: going on, but untested"
    missing=$(packages_missing)
    if [ -z "$missing" ]; then
        say "packages: all there"
        return
    fi
    say "packages: installing $(echo "$missing" | wc -w) of them"
    local root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "packages are missing; as root: apt-get install --no-install-recommends $(echo "$missing" | tr '\n' ' ')"
        root=(sudo)
    fi
    run_logged apt-update "${root[@]}" apt-get update
    # The daemons of these packages are for the lab's nodes; on this machine none of them is started.
    local policy=/usr/sbin/policy-rc.d made=no
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
        "${root[@]}" chmod 755 $policy
        made=yes
    fi
    # shellcheck disable=SC2086
    run_logged apt-install "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
    [ $made = no ] || "${root[@]}" rm -f $policy
}

setup_build() {
    mkdir -p "$BUILD"
    if [ ! -x "$SOURCE/configure" ] || [ "$SOURCE/configure.ac" -nt "$SOURCE/configure" ]; then
        say "build: autoreconf"
        run_logged autoreconf autoreconf -fi "$SOURCE"
    fi
    if [ ! -e "$BUILD/config.status" ] || [ "$SOURCE/configure" -nt "$BUILD/config.status" ]; then
        say "build: configure"
        (cd "$BUILD" && run_logged configure "$SOURCE/configure" --prefix=/usr --sysconfdir=/etc --localstatedir=/var --enable-werror "$@")
    fi
    say "build: make"
    run_logged make make -C "$BUILD" -j"$(nproc)"
}

setup_stage() {
    run_logged install make -C "$BUILD" install DESTDIR="$HOLDFAST_STAGE"
    say "installed into $HOLDFAST_STAGE for the lab's nodes"
}

setup_guest() {
    say "guest image: kernel, SQLite and ext4 tools from Debian's packages"
    run_logged guest make -C "$BUILD" guest
}

lab() { "$SOURCE/deploy/lab/lab" "$@"; }
