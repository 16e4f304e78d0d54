# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for the programs that use flows: their --help knows the options, o7sctl the names.

function __o7s_apps_candidates
    set -l program (commandline -opc)[1]
    set -l word (commandline -ct)

    if string match -q -- '--qos=*' $word
        string join \n -- --qos={raw,raw-safe,best-effort,video,voice,data}
    else if string match -q -- '-*' $word
        # "  -q --quiet   Say less" becomes "--quiet<tab>Say less"
        $program --help 2>/dev/null | string replace -rf '^  (?:-.|  ) (--[a-z-]+=?)\S*\s+(.*)$' '$1\t$2'
    else
        o7sctl __complete ping '' 2>/dev/null
    end
end

for program in o7s-cbr o7s-echo o7s-nc o7s-perf o7s-ping
    complete -c $program -f -a '(__o7s_apps_candidates)'
end
