// The shells' side of completion: hand the words to `knaller __complete`, show what comes back.
#include "cli/completion.h"

namespace knaller::cli {
namespace {

// COMP_WORDS is split at ':' and '=', too; so the words are cut out of the line, and what stands in front of
// the last of these characters is taken off the answers.
constexpr std::string_view kBash = R"bash(# bash completion for knaller; source <(knaller completion bash)
_knaller() {
  local line="${COMP_LINE:0:COMP_POINT}" cur="" answer word
  local -a words
  read -ra words <<<"$line"
  if [[ "$line" == *[[:space:]] ]]; then words+=(""); fi
  cur="${words[-1]}"
  COMPREPLY=()
  local front="${cur%"${cur##*[:=]}"}"
  while IFS=$'\t' read -r answer _; do
    case "$answer" in
      :files)
        compopt -o filenames 2>/dev/null
        while read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "${cur#"$front"}")
        ;;
      :directories)
        compopt -o filenames 2>/dev/null
        while read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "${cur#"$front"}")
        ;;
      *:) compopt -o nospace 2>/dev/null; COMPREPLY+=("${answer#"$front"}") ;;
      ?*) COMPREPLY+=("${answer#"$front"}") ;;
    esac
  done < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _knaller knaller
)bash";

constexpr std::string_view kZsh = R"zsh(#compdef knaller
# zsh completion for knaller; put it as _knaller into a directory of $fpath
_knaller() {
  local line word description
  local -a candidates asked
  local -i files=0 directories=0
  asked=("${(@)words[2,CURRENT]}")
  while IFS= read -r line; do
    case "$line" in
      :files) files=1 ;;
      :directories) directories=1 ;;
      *)
        word="${line%%$'\t'*}"
        description="${line#*$'\t'}"
        candidates+=("${word//:/\\:}:${description}")
        ;;
    esac
  done < <("${words[1]}" __complete -- "${asked[@]}" 2>/dev/null)
  (( ${#candidates} )) && _describe knaller candidates
  (( files )) && _files
  (( directories )) && _files -/
  return 0
}
if [[ "$funcstack[1]" = _knaller ]]; then
  _knaller "$@"
else
  compdef _knaller knaller
fi
)zsh";

constexpr std::string_view kFish =
    R"fish(# fish completion for knaller; ~/.config/fish/completions/knaller.fish
function __knaller_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files :directories
                __fish_complete_path "$current"
            case '*'
                echo $line
        end
    end
end
complete -c knaller -f -a '(__knaller_complete)'
)fish";

}  // namespace

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return std::string(kBash);
  if (shell == "zsh") return std::string(kZsh);
  if (shell == "fish") return std::string(kFish);
  return {};
}

}  // namespace knaller::cli
