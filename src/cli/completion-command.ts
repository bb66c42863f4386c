/** `vetro completion`: prints what makes a shell complete the command's words. See `completion.ts` for the protocol. */
import type { CommandModule } from 'yargs';
import { COMPLETE } from './completion.ts';

interface CompletionArguments {
  shell: 'bash' | 'zsh';
}

const SCRIPTS = {
  bash: `# vetro: completion for bash. In ~/.bashrc: eval "$(vetro completion bash)"
_vetro() {
  local current=\${COMP_WORDS[COMP_CWORD]} line
  [[ $current == = || $current == : ]] && current=
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
    else
      [[ $line == *: ]] && compopt -o nospace 2>/dev/null
      COMPREPLY+=("$line")
    fi
  done < <(vetro ${COMPLETE} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _vetro vetro
`,
  zsh: `#compdef vetro
# vetro: completion for zsh. In ~/.zshrc, behind compinit: eval "$(vetro completion zsh)"
_vetro() {
  local -a candidates open
  local line files
  for line in "\${(@f)$(vetro ${COMPLETE} "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :files) files=1 ;;
      *:) open+=("$line") ;;
      ?*) candidates+=("$line") ;;
    esac
  done
  (( $#candidates )) && compadd -- "\${candidates[@]}"
  (( $#open )) && compadd -S '' -- "\${open[@]}"
  if [[ -n $files ]]; then
    compset -P '*[=:]'
    _files
  fi
}
if [[ \${funcstack[1]} == _vetro ]]; then _vetro "$@"; else compdef _vetro vetro; fi
`,
} as const;

export const completionCommand: CommandModule<object, CompletionArguments> = {
  command: 'completion <shell>',
  describe: 'Print a script that completes vetro’s commands, options and files in a shell',
  builder: (args) =>
    args
      .positional('shell', {
        choices: ['bash', 'zsh'] as const,
        demandOption: true,
        describe: 'the shell that reads it',
      })
      .example('eval "$(vetro completion bash)"', 'in ~/.bashrc'),
  handler: ({ shell }) => {
    process.stdout.write(SCRIPTS[shell]);
  },
};
