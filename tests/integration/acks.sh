# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by tests that wait for rows of the guest that counts: how far it is, cheap enough to be asked again and again. The judgement of what was
# acknowledged is check-acks' alone.
# shellcheck shell=bash

# highest_ack LOG...: the highest row that a whole ACK line names, or 0
highest_ack() {
    cat "$@" 2>/dev/null | awk '{ sub(/\r$/, "") }
        /^ACK [0-9]+ [0-9]+ [0-9]+ #[0-9a-f]+$/ && length($5) == 9 && $2 + 0 > max { max = $2 + 0 }
        END { print max + 0 }' || true
}
