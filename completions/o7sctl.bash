# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for o7sctl: the program itself knows the candidates.

_o7sctl() {
    local word line
    local -a words

    # The words as the shell reads them: COMP_WORDS would split --json=short into three.
    line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[${#words[@]} - 1]}

    mapfile -t COMPREPLY < <(compgen -W "$(o7sctl __complete "${words[@]:1}" 2>/dev/null)" -- "$word")

    # Files are for the shell to know.
    if [[ " ${words[*]} " == *" verify "* && $word != -* || ${words[*]: -2:1} == @(-w|trust|import) ]]; then
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames
    elif [[ $word == --@(write|cert|key|trust|revocations|out|root)=* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -P "${word%%=*}=" -- "${word#*=}")
        compopt -o filenames
    fi

    # Readline replaces only what follows the "=".
    if [[ $word == *=* && $COMP_WORDBREAKS == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%%=*}="}")
    fi

    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}

complete -F _o7sctl o7sctl
