# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by tests that need no lab: what they require, what is undone at their end, waiting with a deadline.
# shellcheck shell=bash
set -euo pipefail

SOURCE=${HOLDFAST_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
BUILD=${HOLDFAST_BUILD:-$SOURCE/build}

requires() { # requires COMMAND...: the test is skipped without them
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || {
            echo "needs $command"
            exit 77
        }
    done
}

requires_root() {
    [ "$(id -u)" = 0 ] || {
        echo "needs root"
        exit 77
    }
}

cleanups=()
cleanup_fn() { # cleanup_fn COMMAND...: run at the end, the last one first
    cleanups=("$(printf '%q ' "$@")" "${cleanups[@]}")
}
run_cleanups() {
    local status=$? command
    trap - EXIT
    for command in "${cleanups[@]}"; do
        eval "$command" || true
    done
    exit "$status"
}
trap run_cleanups EXIT

note() { printf '%s %s\n' "$(date +%T.%3N)" "$*"; }

fail() {
    echo "FAILED: $*" >&2
    if declare -F diagnose >/dev/null; then
        diagnose >&2 || true
    fi
    exit 1
}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# A moment between two looks at something that gives no event.
moment() { read -rt 0.05 <> <(:) || true; }

wait_until() { # wait_until SECONDS WHAT COMMAND...
    local end=$(($(now_ms) + $1 * 1000)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(now_ms)" -lt "$end" ] || fail "waited in vain for: $what"
        moment
    done
    note "$what"
}

# refused STATUS PATTERN COMMAND...: ends with that status and one line that matches, on stderr.
refused() {
    local wanted=$1 pattern=$2 status=0 output
    shift 2
    output=$("$@" 2>&1 >/dev/null) || status=$?
    [ "$status" = "$wanted" ] || fail "$* ended with $status, not $wanted: $output"
    [ "$(wc -l <<<"$output")" = 1 ] || fail "$* did not say one line: $output"
    grep -Eq -- "$pattern" <<<"$output" || fail "$* said \"$output\", nothing like \"$pattern\""
    note "refused: $output"
}
