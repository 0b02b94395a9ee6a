#!/bin/bash
# A replicated group from its making to its end: one side at a time, what is written there is read here, all volumes or none, a busy
# volume keeps the group and names its holder, volumes come and go while the group runs, nothing stays behind.
# needs: own-lab
# shellcheck source=tests/integration/storage-lab.sh
. "$(dirname "$0")/storage-lab.sh"

# Too large for the pool: figures, and nothing is left.
definition large '.name = "large" | .port = 7790 | .volumes[].minor += 20 | .volumes[1].size_bytes = 68719476736'
DEFINITION=large refused 1 "of 508 MiB free, and 65" a1 apply
same "nothing was made" "" "$(volumes_of a1)"
same "no record" "" "$(left a1)"

refused 3 "has no replica on this node" a1 declare 0
tool a1 apply
refused 4 "incomplete" a1 promote
make_group
tool a1 apply
tool a1 declare 0
same "a second apply and declare change nothing" "web.0 web.1" "$(volumes_of a1)"

# One side at a time; the state volume and the disk go along.
tool a1 promote
same "all volumes" Primary "$(roles a1)"
tool a1 promote
refused 1 "it is Primary on a1" b1 may-promote
same "size on a Secondary" 67108864 "$(lab exec b1 cat /sys/block/drbd11/size | awk '{print $1 * 512}')"
refused 4 "is not Primary on this node" b1 open 1
same "open" 67108864 "$(tool a1 open 1)"
where=$(tool a1 mount)
lab exec a1 "echo saved > $where/vm.save; ln -s /etc/passwd $where/link"
lab exec a1 "cat $where/link" >/dev/null 2>&1 && fail "a symbolic link on the state volume was followed"
same "mounted once more is the same" "$where" "$(tool a1 mount)"
fill a1 64
before=$(sum a1)
refused 1 "mounted on $where" a1 demote
same "after a failed demotion" Primary "$(roles a1)"
tool a1 unmount
holder=$(lab exec a1 "tail -f /dev/null <$DISK >/dev/null 2>&1 & echo \$!")
refused 1 "held open by tail (pid $holder)" a1 demote
same "after a failed demotion" Primary "$(roles a1)"
lab exec a1 "kill $holder"
tool a1 demote
tool b1 promote
same "the disk on the other side" "$before" "$(sum b1)"
same "the state volume on the other side" saved "$(lab exec b1 "cat $(tool b1 mount)/vm.save")"

# As the agent does it, without hypervisord: the state volume is unmounted too.
tool b1 demote-blocking
same "demoted by the agent" Secondary "$(roles b1)"
tool b1 demote-blocking
lab exec b1 "! mountpoint -q /run/holdfast/storage/web" || fail "the state volume is still mounted"

# A disk more, and one less, while the group runs.
tool a1 promote
definition three '.volumes += [{index: 2, minor: 12, name: "db.disk1", size_bytes: 16777216}]'
for node in a1 b1; do DEFINITION=three tool $node apply; done
DEFINITION=three tool a1 declare 2
DEFINITION=three tool a1 promote
same "the new volume too" 3 "$(lab exec a1 'grep -c ro:Primary /proc/drbd')"
for node in a1 b1; do tool $node apply; done
same "the volume is gone" "web.0 web.1" "$(volumes_of a1)"
same "the others stayed" "$before" "$(sum a1)"
same "no problems" "" "$(tool a1 problems)"

# An LV that is not ours, and a group that uses the same minors.
definition other '.name = "other" | .port = 7791'
DEFINITION=other refused 1 "minor 10 belongs to group web" a1 apply
lab exec a1 'lvcreate -qq -y -L 8M -n foreign.1 holdfast'
definition foreign '.name = "foreign" | .port = 7792 | .volumes[].minor += 30'
DEFINITION=foreign refused 1 "was not made by Holdfast" a1 apply
same "it was left alone" "foreign.1 web.0 web.1" "$(volumes_of a1)"
lab exec a1 'lvremove -qq -y holdfast/foreign.1'

# The end.
refused 1 "stop it first" a1 destroy
tool a1 demote
for node in a1 b1; do
    tool $node destroy
    tool $node destroy
    same "volumes on $node" "" "$(volumes_of $node)"
    same "files on $node" "" "$(left $node)"
    same "minors on $node" 0 "$(lab exec $node 'grep -c cs: /proc/drbd || true')"
done

# Another secret is another group.
tool a1 apply
definition wrong '.secret = "another"'
DEFINITION=wrong tool b1 apply
refused 4 "is not fresh on both sides" a1 declare 1
