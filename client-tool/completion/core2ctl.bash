# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for core2ctl: the tool itself knows all words, chips too.

_core2ctl()
{
  local line word files=
  COMPREPLY=()
  # An address has colons, at which bash would break the words.
  local words cword cur
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n : words cword cur
  else
    words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]}
  fi

  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      files=1
    elif [[ -n $line ]]; then
      printf -v word %q "${line%%$'\t'*}"
      COMPREPLY+=("$word")
    fi
  done < <(core2ctl complete -- "${words[@]:1:cword}" 2>/dev/null)

  if [[ -n $files ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  fi
  if declare -F __ltrim_colon_completions >/dev/null; then
    __ltrim_colon_completions "$cur"
  fi
}
complete -F _core2ctl core2ctl
