# shellcheck shell=bash disable=SC2034
# Sourced by the tests of the holdfast command: a scripted daemon (answers.c), the command asked to use it, TAP.
set -uo pipefail
source_dir=${abs_top_srcdir:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
build_dir=${abs_top_builddir:-$source_dir/build}
export TZ=UTC LC_ALL=C.UTF-8 TERM=xterm
unset NO_COLOR
dir=$(mktemp -d)
server=
count=0
failed=0

cleanup() {
    [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT

ok() { # ok STATUS WHAT
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        failed=$((failed + 1))
        echo "not ok $count - $2"
        tail -qn 20 "$dir"/{out,err} 2>/dev/null | sed 's/^/# /'
        tail -n 1 "$dir/log" 2>/dev/null | sed 's/^/# /'
    fi
}
finish() {
    echo "1..$count"
    exit $((failed > 0))
}

wait_for() { # wait_for SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        read -rt 0.02 <> <(:) || true
    done
}
logged() { grep -q "$1" "$dir/log" 2>/dev/null; }

start_answers() { # start_answers [PKI PORT]
    "$build_dir/tests/ctl/answers" "$dir/clusterd.sock" "$source_dir/tests/ctl/answers.json" "$dir/log" "$@" &
    server=$!
    wait_for 10 logged ready || { echo "Bail out! the scripted daemon does not start"; exit 1; }
}
to=(--socket "$dir/clusterd.sock")
hf() { "$build_dir/holdfast" "${to[@]}" "$@"; }
run() { # run ARGS...: its status in $status, its output in out and err
    status=0
    hf "$@" >"$dir/out" 2>"$dir/err" </dev/null || status=$?
}
request() { tail -n 1 "$dir/log"; } # the last one, as JSON
out_has() { # out_has JQ-CONDITION: out is one JSON document that fulfils it (jq -e alone takes an empty file for a yes)
    [ "$(jq -s length "$dir/out" 2>/dev/null)" = 1 ] && jq -e "$1" "$dir/out" >/dev/null
}
out_is() { # the whole output is that of stdin
    cat >"$dir/expected"
    diff -u "$dir/expected" "$dir/out" | sed 's/^/# /'
    cmp -s "$dir/expected" "$dir/out"
}
