# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for the programs that use flows: their --help knows the options, o7sctl the names.

_o7s_apps() {
    local program=$1 word line options
    local -a words

    # The words as the shell reads them: COMP_WORDS would split --qos=data into three.
    line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[${#words[@]} - 1]}

    # "  -q --quiet   ..." has --quiet, "     --qos=PRESET  ..." has --qos=
    options=$("$program" --help 2>/dev/null | sed -nE 's/^  (-.|  ) (--[a-z-]+=?).*/\2/p')

    if [[ $word == --qos=* ]]; then
        mapfile -t COMPREPLY < <(compgen -P --qos= -W 'raw raw-safe best-effort video voice data' -- "${word#--qos=}")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(o7sctl __complete ping '' 2>/dev/null)" -- "$word")
    fi

    # Readline replaces only what follows the "=".
    if [[ $word == *=* && $COMP_WORDBREAKS == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%%=*}="}")
    fi

    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    return 0
}

complete -F _o7s_apps o7s-cbr o7s-echo o7s-nc o7s-perf o7s-ping
