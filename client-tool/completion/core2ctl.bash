# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for core2ctl: the tool itself knows all words, chips too.

_core2ctl()
{
  local i line word cur prefix files=
  local -a words=()
  COMPREPLY=()
  # Bash breaks the words at the colons of an address and at the sign of --option=value: they are put together again.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((i > 1)) && [[ $word == [:=]* || ${COMP_WORDS[i - 1]} == *[:=] ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
  done
  cur=${words[-1]}
  # Of --option=value it is the value that the tool completes.
  [[ $cur != --*=* ]] || cur=${cur#*=}
  # Bash completes what stands behind the last colon.
  prefix=${cur%"${cur##*:}"}

  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      files=1
    elif [[ -n $line ]]; then
      printf -v word %q "${line%%$'\t'*}"
      COMPREPLY+=("${word#"$prefix"}")
    fi
  done < <(core2ctl complete -- "${words[@]}" 2>/dev/null)

  if [[ -n $files ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  fi
}
complete -F _core2ctl core2ctl
