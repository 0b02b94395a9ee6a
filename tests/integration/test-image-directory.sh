#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# hypervisord reads and writes images as root, for callers who are not: images are only below the image-directory, and no path, link or parent of a
# disk leads out of it; neither for root nor for a member of the API's group. Stand-alone hypervisord.
# shellcheck source=tests/integration/hypervisor-functions.sh
. "$(dirname "$0")/hypervisor-functions.sh"
requires qemu-img setpriv

# /etc/... would be there on every machine, but nothing of it must get into a test's output: a file of our own is the secret.
secret=$(mktemp -d /tmp/secret.XXXXXX)
cleanup_fn rm -rf "$secret"
images=$dir/images
mkdir -p "$images/sub"
sed -i "s|^image-directory=.*|image-directory=$images|" "$dir/conf"
printf '[api]\ngroup=nogroup\n' >>"$dir/conf"
chmod 755 "$dir"
head -c 1048576 /dev/urandom >"$secret/raw"
chmod 600 "$secret/raw"
cp "$secret/raw" "$images/sub/good.raw"
ln -s "$secret/raw" "$images/absolute"
ln -s "../../${secret#/}/raw" "$images/relative"
ln -s "$secret" "$images/away"
ln -s sub/good.raw "$images/inside"
ln -s /proc/self/root "$images/magic"

hv_start
hf group create g >/dev/null
hf vm create v --group g --memory 16 --disk 1M >/dev/null
as_member() { setpriv --reuid 65534 --regid 65534 --clear-groups "$BUILD/holdfast" --socket "$dir/run/hypervisord.sock" "$@"; }
as_member vm list >/dev/null || fail "a member of the group may not use the socket: the test proves nothing"

no() { # no COMMAND...: refused with one line that says why
    local output
    output=$("$@" 2>&1 >/dev/null) && fail "$* was not refused"
    [[ $output =~ 'is not below'|'Too many levels'|'No such file'|'cannot be opened' ]] && [ "$(wc -l <<<"$output")" = 1 ] || fail "$* said: $output"
}
refuse_all() { # refuse_all COMMAND...: what reads and writes, from wherever it is not to
    local path
    for path in "$secret/raw" "$images/absolute" "$images/relative" "$images/away/raw" "$images/sub/../../${secret#/}/raw" "$images/magic$secret/raw" \
        "$images/sub/../../images.x" "${images}x/raw" "/proc/$$/root$secret/raw"; do
        no "$@" volume import v.disk0 "$path" --format raw
        no "$@" vm create x --group g --memory 16 --disk "1M,parent=$path,parent-format=raw"
    done
    for path in "$secret/out" "$images/away/out" "$images/sub/../../out" "$images/magic$secret/out"; do
        no "$@" volume export v.disk0 "$path" --format raw
        no "$@" vm export v "$path"
        no "$@" vm import "$path" --group g
    done
    refused 1 'image-directory' "$@" volume import v.disk0 "$secret/raw" --format raw
    refused 2 'no name for a file|absolute' "$@" volume export v.disk0 "$images/sub/.." --format raw
}
refuse_all as_member
refuse_all hf
[ "$(ls "$secret")" = raw ] || fail "something was written outside: $(ls "$secret")"
[ ! -e "$dir/out" ] || fail "something was written beside the directory"
[ "$(tr -d '\0' <"$dir/volumes/g/1.raw" | wc -c)" = 0 ] || fail "a refused import wrote into the disk"

# What is below it is taken and made, also over a link that stays inside.
as_member volume import v.disk0 "$images/sub/good.raw" --format raw >/dev/null
cmp -s "$dir/volumes/g/1.raw" "$secret/raw" || fail "the image is not in the disk"
as_member volume import v.disk0 "$images/inside" --format raw >/dev/null
as_member volume export v.disk0 "$images/sub/out.raw" --format raw >/dev/null
cmp -s "$images/sub/out.raw" "$secret/raw" || fail "the export is not the disk"
[ "$(stat -c '%U %a' "$images/sub/out.raw")" = "root 600" ] || fail "an export can be read by others: $(stat -c '%U %a' "$images/sub/out.raw")"
as_member vm export v "$images/v" >/dev/null
as_member vm import "$images/v" --group g --name w >/dev/null
as_member vm create p --group g --memory 16 --disk "1M,parent=$images/sub/good.raw,parent-format=raw" >/dev/null

# A parent that becomes a link to somewhere else after it was checked.
mv "$images/sub/good.raw" "$images/sub/was.raw"
ln -s "$secret/raw" "$images/sub/good.raw"
hf group start g >/dev/null
vm_is off p && [[ $(vm reason p) == *"is not below"* ]] || fail "VM p is $(vm state p): $(vm reason p)"
refused 1 'is not below' hf vm start p
hf group stop g >/dev/null
hv_stop
