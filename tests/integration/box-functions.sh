# Sourced after lab-functions.sh by tests with a group `back` of their own, whose VM `box` counts on the second serial port of its node.
# shellcheck shell=bash
log() { echo "$LAB_DIR/nodes/$1/serial1.log"; }
lines_of() { grep -ac '^ACK' "$(log "$1")" || true; }
more_lines() { [ "$(lines_of "$1")" -gt "$2" ]; }
counts() { # counts NODE SECONDS
    local now
    now=$(lines_of "$1")
    eventually "$2" "box acknowledges rows on $1" more_lines "$1" $((now + 3))
}
back_on() { [ "$(hf "$1" --json group show back | jq -r '"\(.state) \(.owner)"')" = "online $2" ]; }
