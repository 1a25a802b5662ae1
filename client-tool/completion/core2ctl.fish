# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for core2ctl: the tool itself knows all words, chips too.

function __core2ctl_complete
    set -l words (commandline -opc) (commandline -ct)
    # Of --option=value it is the value that the tool completes.
    set -l option (string match -r -- '^--[^=]*=' $words[-1]; or echo '')
    for line in (core2ctl complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            printf '%s\n' $option(__fish_complete_path (string replace -- "$option" '' $words[-1]))
        else
            echo $option$line
        end
    end
end

complete -c core2ctl -f -a '(__core2ctl_complete)'
