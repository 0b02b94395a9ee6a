# bash completion for holdfast: the command itself knows its words.
_holdfast() {
    local IFS=$'\n'
    mapfile -t COMPREPLY < <(holdfast --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _holdfast holdfast
