#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The moves of test-move-live.sh with a guest on a qcow2 disk, whose metadata has to be read anew on each side.
export DISK_FORMAT=qcow2
. "$(dirname "$0")/test-move-live.sh"
