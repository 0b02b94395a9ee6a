# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by test-control-*.sh: one bare node of a lab, a1, because its kernel has cgroup v2 and traffic control to itself.
# shellcheck shell=bash
# shellcheck source=tests/integration/own-lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/own-lab.sh"

on() { lab exec a1 "$@"; }
hf() { on "$BUILD/holdfast" --socket /run/hv/hypervisord.sock "$@"; }
note() { printf '%s %s\n' "$(date +%T)" "$*"; }

lab up --bare --sites 1 --witness none
# A node's clock ticks on while the host has others to serve, and what its guests lose then is no fault of theirs.
pgrep -f -- "$LAB_DIR/" | xargs renice -n -20 -p >/dev/null 2>&1 || true
