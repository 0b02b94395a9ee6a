# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by tests in a lab with the guest: in a chosen state of a move one of its parties dies. hypervisord dies at the state by itself; for all others
# it is stopped there by its fault point, so that the other party's death falls into just that state, and goes on after it.
# shellcheck shell=bash

fault_points=(source:prepared source:before-quiesce source:quiesce source:before-released source:released source:before-done source:done
    target:preparing target:prepared target:before-taking target:taking target:before-committed target:committed target:before-running target:running)
parties=(hypervisord source-guest target-guest source-clusterd target-clusterd source-pacemaker target-pacemaker source-controld target-controld
    source-node target-node link)

arm() { # arm NODE ACTION POINT
    # shellcheck disable=SC2016
    on "$1" sh -c 'echo "$0 move:$1" >/run/lab/fault.new && mv /run/lab/fault.new /run/lab/fault' "$2" "$3"
}
disarm() { on "$1" rm -f /run/lab/fault || true; }
was_hit() { on "$1" sh -c '[ ! -e /run/lab/fault ]'; }
# Looks within the node, so that nothing has to be started there again and again while the move goes on.
# shellcheck disable=SC2016
await_hit='exec 9<> <(:); while [ -e /run/lab/fault ]; do read -rt 0.1 -u 9; done'
kill_on() { on "$1" sh -c "kill -9 \$(pidof $2)" || note "no $2 on $1 any more"; }
boot_id() { on "$1" cat /proc/sys/kernel/random/boot_id 2>/dev/null || true; }

unreached=0
now_on= # where the group was when it was settled last
# Asked at once, in one node, after what costs little there: the group is online on NOW_ON, both replicas are up to date, both nodes see each other online,
# and Pacemaker keeps nothing of a failure.
# shellcheck disable=SC2016
settled() {
    local answers
    answers=$(on a1 sh -c 'grep -q " ds:UpToDate/UpToDate " /proc/drbd && holdfast --json group show web && holdfast --json volume list &&
        holdfast --json node list && mon=$(crm_mon -1f) && ! echo "$mon" | grep -qE "fail-count|migrate_to|blocked|unmanaged|FAILED"') || return 1
    now_on=$(jq -ers 'select(.[0].state == "online" and (.[1] | length > 0 and all(.[]; .disk == "UpToDate" and .peer_disk == "UpToDate")) and
        (.[2] | length == 2 and all(.[]; .state == "online"))) | .[0].owner' <<<"$answers") || return 1
    [ "$(role "$now_on")" = 'ro:Primary ' ] && node_is b1 a1 online
}
# A move has a QEMU on either side for a while: what counts is who has the disk. It may be on its way (who asked for the move is dead, the move is not): so both
# have it only if the first one has it before and after the other.
runs_once() { [ "$(role a1)" != 'ro:Primary ' ] || [ "$(role b1)" != 'ro:Primary ' ] || [ "$(role a1)" != 'ro:Primary ' ]; }
stops_since() { hf a1 --json events --since "$1" | jq '[.[] | select(.kind == "group-stopped" and .group == "web")] | length'; }

strike() { # strike PARTY FROM TO
    local party=$1 from=$2 to=$3 node
    case $party in
    source-*) node=$from ;;
    *) node=$to ;;
    esac
    case $party in
    *-guest) kill_on "$node" qemu-system-x86_64 ;;
    *-clusterd) kill_on "$node" clusterd ;;
    *-pacemaker) kill_on "$node" pacemakerd ;;
    *-controld) kill_on "$node" pacemaker-controld ;;
    *-node) lab kill "$node" ;;
    link) lab cut a b ;;
    esac
}

was_fenced() { # was_fenced NODE SINCE, asked of the other one
    hf "$([ "$1" = a1 ] && echo b1 || echo a1)" --json events --since "$2" | jq -e --arg node "$1" 'any(.[]; .kind == "node-fenced" and .node == $node)'
}
power_on() { # power_on NODE SINCE: not before it was fenced, which turns it off too
    eventually 120 "$1 is fenced" was_fenced "$@"
    lab boot "$1"
}
# Nobody keeps a node from the cluster any more.
made_whole() { # made_whole PARTY FROM TO A_BOOT B_BOOT SINCE
    case $1 in
    source-node) power_on "$2" "$6" ;;
    target-node) power_on "$3" "$6" ;;
    link)
        one_rebooted() { [ -n "$(boot_id a1)" ] && [ -n "$(boot_id b1)" ] && { [ "$(boot_id a1)" != "$4" ] || [ "$(boot_id b1)" != "$5" ]; }; }
        eventually 120 "one side has rebooted" one_rebooted "$@"
        lab heal
        ;;
    esac
}

# death_in POINT PARTY KIND: the group is moved to the other node and PARTY dies at POINT. The guest runs on one side then, or is started again by a
# failover; it is never stopped because of the move, and nothing of the failure is left.
death_in() {
    local point=$1 party=$2 kind=$3 from to node began move hit report now status=0 a_boot b_boot
    from=${now_on:-$(owner a1)}
    to=$([ "$from" = a1 ] && echo b1 || echo a1)
    node=$([ "${point%%:*}" = source ] && echo "$from" || echo "$to")
    a_boot=$(boot_id a1) b_boot=$(boot_id b1)
    began=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
    arm "$node" "$([ "$party" = hypervisord ] && echo kill || echo stop)" "$point"
    # The move before may be at its end still, where nothing but its mover knows of it: the command is asked again until that is done.
    timeout 240 "$SOURCE/deploy/lab/lab" exec "$from" sh -c "until out=\$(holdfast group move web --to $to --$kind 2>&1); status=\$?
        ! echo \"\$out\" | grep -qE 'is being moved already|Pacemaker is at work'; do sleep 1; done; echo \"\$out\"; exit \$status" >"$BUILD/death.out" 2>&1 &
    move=$!
    timeout 240 "$SOURCE/deploy/lab/lab" exec "$node" bash -c "$await_hit" &
    hit=$!
    wait -n $move $hit || true
    kill $hit 2>/dev/null || true
    wait $hit || true
    if ! was_hit "$node"; then # a live move may give up before it, on a slow machine
        wait $move || status=$?
        [ $status != 124 ] || fail "$kind $point: the move has neither come to it in 240 s nor ended"
        disarm "$node"
        note "not reached: $kind $from -> $to $point: the command ended with $status: $(tail -n 1 "$BUILD/death.out" | cut -c1-140)"
        unreached=$((unreached + 1)) now_on=
        return
    fi
    if [ "$party" != hypervisord ]; then
        strike "$party" "$from" "$to"
        on "$node" sh -c 'kill -CONT $(pidof hypervisord)' 2>/dev/null || true
    fi
    wait $move || status=$?
    made_whole "$party" "$from" "$to" "$a_boot" "$b_boot" "$began" >/dev/null
    runs_once || fail "$kind $point $party: both sides have the disk"
    now=$(acked)
    eventually 300 "$kind $point $party: the group is online and nothing of the failure is left" settled >/dev/null
    eventually 300 "$kind $point $party: the guest goes on" acked_over $((now + 10)) >/dev/null # which it may have begun while the rest settled
    runs_once || fail "$kind $point $party: both sides have the disk"
    case $party in
    hypervisord | *-clusterd) [ "$(stops_since "$began")" = 0 ] || fail "$kind $point $party: the group was stopped because of a failed move" ;;
    target-guest) ! grep "failed: error" "$BUILD/death.out" || fail "$kind $point $party: the command does not say why" ;;
    esac
    report=$("$SOURCE/tests/guest/check-acks" "$LAB_DIR"/nodes/*/serial0.log) || fail "$kind $point $party: rows are lost, or the guest ran twice: $report"
    note "$kind $from -> $to, $party dies at $point: now on $now_on; the command ended with $status: $(grep -v '^ ' "$BUILD/death.out" | tail -n 1 | cut -c1-140)"
}

# all_deaths: each "KIND POINT PARTY" a line, in an order by HOLDFAST_SEED. HOLDFAST_KINDS, HOLDFAST_POINTS and HOLDFAST_PARTIES narrow it.
all_deaths() {
    local kind point party points
    for kind in ${HOLDFAST_KINDS:-quick live}; do
        points=("${fault_points[@]}")
        [ "$kind" != live ] || points+=(source:before-precopy source:precopy target:before-precopy target:precopy)
        for point in ${HOLDFAST_POINTS:-"${points[@]}"}; do
            for party in ${HOLDFAST_PARTIES:-"${parties[@]}"}; do
                echo "$kind $point $party"
            done
        done
    done | sort -R --random-source=<(openssl enc -aes-256-ctr -pass "pass:$HOLDFAST_SEED" -nosalt </dev/zero 2>/dev/null)
}
can_be_moved() { hf a1 group move web --to "$([ "$(owner a1)" = a1 ] && echo b1 || echo a1)" --quick >/dev/null || fail "the group cannot be moved any more"; }

# Its journal has the latest two states, each behind a line that begins it.
copying() { on "$1" sh -c 'cat /var/lib/holdfast/moves/web.source.json' | sed '/^holdfast-move /d' | jq -e -s 'any(.[]; .state == "precopy")'; }
no_source() { [ "$(on "$1" sh -c 'ls /var/lib/holdfast/moves' | grep -c source)" = 0 ]; }
# interrupted_move FROM TO [COMMAND...]: a live move, slow enough for COMMAND to run while its memory is copied; then whoever asked for it gets Ctrl-C.
interrupted_move() {
    local from=$1 to=$2 mover
    shift 2
    lab exec "$from" sh -c "echo \$\$ >/run/mover.pid; exec holdfast group move web --to $to --live --bandwidth 256K" >"$BUILD/move-live.out" 2>&1 &
    mover=$!
    eventually 60 "its memory is copied" copying "$from"
    "${@:-true}"
    # shellcheck disable=SC2016
    on "$from" sh -c 'kill -INT $(cat /run/mover.pid)'
    ! wait "$mover" || fail "the move was not cancelled"
    grep -q "was cancelled" "$BUILD/move-live.out" || fail "Ctrl-C said: $(cat "$BUILD/move-live.out")"
    goes_on
    eventually 90 "nothing is left of the cancelled move" no_source "$from"
    owner_is a1 "$from" || fail "the group is not on $from any more"
}
