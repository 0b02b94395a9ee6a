#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# --connect: over TLS with a certificate of the cluster's CA; one of another CA gets a clear line. TAP.
# shellcheck source=tests/ctl/ctl-lib.sh
. "$(dirname "$0")/ctl-lib.sh"

mkdir "$dir/pki" "$dir/other"
port=$((20000 + RANDOM % 10000))
start_answers "$dir/pki" $port
to=(--connect "127.0.0.1:$port" --pki "$dir/pki")
run --json group show web
out_has '.name == "web"'
ok $? "an answer over TLS"
run group start web
[ "$status" = 4 ] && grep -q 'waits for a1' "$dir/err"
ok $? "a refusal over TLS has its status"

# A CA of the same name, but not the same CA.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/other/ca.key" -out "$dir/other/ca.pem" -subj /CN=plant -days 2 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/other/node.key" -out "$dir/other/csr" -subj /CN=b1 2>/dev/null
openssl x509 -req -in "$dir/other/csr" -CA "$dir/other/ca.pem" -CAkey "$dir/other/ca.key" -CAcreateserial -out "$dir/other/node.pem" -days 2 2>/dev/null
to=(--connect "127.0.0.1:$port" --pki "$dir/other")
run vm list
[ "$status" = 1 ] && [ "$(wc -l <"$dir/err")" = 1 ] && grep -qi 'certificate' "$dir/err" && [ ! -s "$dir/out" ]
ok $? "a certificate of another CA: $(cat "$dir/err")"
to=(--connect 127.0.0.1:1 --pki "$dir/pki")
run vm list
[ "$status" = 1 ] && [ "$(wc -l <"$dir/err")" = 1 ] && grep -q 'cannot reach clusterd: 127.0.0.1 port 1' "$dir/err"
ok $? "nobody there: $(cat "$dir/err")"
finish
