# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for core2ctl: the tool itself knows all words, chips too.

function __core2ctl_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (core2ctl complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end

complete -c core2ctl -f -a '(__core2ctl_complete)'
