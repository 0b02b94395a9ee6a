#!/bin/bash
# hypervisord dies at any point of making a replica: making it again finishes it, and a volume that was finished is never touched again.
# needs: full
# shellcheck source=tests/integration/storage-lab.sh
. "$(dirname "$0")/storage-lab.sh"

# dies_at PROGRAM [NTH]: apply on a1 is killed when it starts PROGRAM for the NTH time.
dies_at() {
    lab exec a1 "mkdir -p /run/deadly; rm -f /run/deadly/*; printf '%s\n' '#!/bin/sh' \
        'echo x >>/run/deadly/count' '[ \$(wc -l </run/deadly/count) -lt ${2:-1} ] || { kill -9 \$PPID; exit 1; }' \
        'exec $(lab exec a1 "command -v $1") \"\$@\"' >/run/deadly/$1; chmod 755 /run/deadly/$1
        PATH=/run/deadly:\$PATH $TOOL /var/lib/holdfast/web.json a1 apply" >/dev/null 2>&1 && fail "apply did not die at $1"
    lab exec a1 "[ \$(wc -l </run/deadly/count) = ${2:-1} ]" || fail "apply did not come to $1"
}

for point in "lvcreate 1" "drbdmeta 1" "lvchange 1" "lvcreate 2" "lvchange 2" "drbdadm 1"; do
    # shellcheck disable=SC2086
    dies_at $point
    tool a1 apply
    same "after dying at $point" "web.0 web.1" "$(volumes_of a1)"
    tool a1 destroy
    # And given up instead of made again.
    # shellcheck disable=SC2086
    dies_at $point
    tool a1 destroy
    same "given up after dying at $point" "" "$(volumes_of a1)"
done

# Finished volumes with data are left alone by whatever apply does later.
make_group
tool a1 promote
fill a1 64
before=$(sum a1)
dies_at drbdadm
tool a1 apply
same "the data after an apply that died, and another" "$before" "$(sum a1)"

# The power goes while it is made on b1; after the boot it is brought up or made again, and resyncs.
tool b1 destroy
definition again '.'
lab exec b1 "setsid $TOOL /var/lib/holdfast/web.json b1 apply >/dev/null 2>&1 </dev/null &"
made_one() { [ -n "$(volumes_of b1)" ]; }
eventually 60 "b1 has made a volume" made_one
lab kill b1
lab boot b1
handlers b1
tool b1 bring-up || true
tool b1 apply
eventually 60 "b1 is in sync" in_sync b1
same "the data" "$before" "$(sum a1)"
