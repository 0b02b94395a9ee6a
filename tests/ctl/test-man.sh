#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The man pages are well formed, and holdfast(1) has every verb and option that the command has. TAP.
# shellcheck source=tests/ctl/ctl-lib.sh
. "$(dirname "$0")/ctl-lib.sh"
man=$source_dir/docs/man

if command -v mandoc >/dev/null; then
    for page in "$man"/*.[18]; do
        mandoc -Tlint -W warning "$page" >"$dir/out" 2>"$dir/err"
        ok $? "$(basename "$page") is well formed"
    done
else
    echo "# mandoc is missing: the pages' form is not checked"
fi

# The verbs of a noun, and the options of a verb, as the command itself offers them.
offered() { "$build_dir/holdfast" --complete "$@"; }
missing=()
verbs=0
for noun in $(offered ""); do
    for verb in $(offered "$noun" "" | grep -v '^--'); do
        verbs=$((verbs + 1))
        grep -qE "(\.Ic|Ic) $noun $verb( |\$)" "$man/holdfast.1" || missing+=("$noun $verb")
        for option in $(offered "$noun" "$verb" --); do
            grep -qE "Fl -${option#--}( |\$)" "$man/holdfast.1" || missing+=("$noun $verb $option")
        done
    done
done
[ $verbs -gt 25 ] && [ ${#missing[@]} = 0 ]
ok $? "holdfast(1) has all $verbs verbs and their options${missing[*]+; missing: ${missing[*]}}"
for option in $(offered events --); do
    grep -qE "Fl -${option#--}( |\$)" "$man/holdfast.1"
    ok $? "holdfast(1) has $option of events"
done
finish
