# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for o7sctl: the program itself knows the candidates.

function __o7sctl_candidates
    set -l words (commandline -opc)
    o7sctl __complete $words[2..-1] (commandline -ct) 2>/dev/null
end

complete -c o7sctl -f -a '(__o7sctl_candidates)'
complete -c o7sctl -n '__fish_seen_subcommand_from verify' -F
complete -c o7sctl -n '__fish_seen_subcommand_from capture' -s w -r -F
complete -c o7sctl -n '__fish_seen_subcommand_from trust import' -F
complete -c o7sctl -n '__fish_seen_subcommand_from name' -l cert -l key -l trust -l revocations -r -F
complete -c o7sctl -n '__fish_seen_subcommand_from ca name doctor' -l out -l root -r -F
