import { type Command, defineCommand } from './command.ts'
import { renderBash } from './completion-bash.ts'
import { renderFish } from './completion-fish.ts'
import { renderZsh } from './completion-zsh.ts'
import { print } from './output.ts'

/** A script for one shell, from the tables of all commands. */
type Render = (commands: readonly Command[]) => string

const SHELLS: Readonly<Record<string, Render>> = { bash: renderBash, zsh: renderZsh, fish: renderFish }

/** The command `completion`, which completes itself too. */
export function completionOf(others: readonly Command[]): Command {
  const completion = defineCommand(
    {
      name: 'completion',
      summary: 'print a script that completes commands and options in your shell',
      description:
        'Prints a script for the completion of your shell. It completes the command alipayhk-order-sync, which must be installed: npm install --global alipayhk-order-sync.',
      options: {},
      argument: {
        placeholder: 'SHELL',
        whenMissing: 'completion needs a shell: bash, zsh or fish.',
        whenRepeated: 'completion takes one shell: bash, zsh or fish.',
        choices: { bash: 'Bash 3.2 or later', zsh: 'Zsh', fish: 'fish 3 or later' },
      },
      examples: [
        { does: 'in ~/.bashrc', line: 'source <(alipayhk-order-sync completion bash)' },
        { does: 'in ~/.zshrc, after compinit', line: 'source <(alipayhk-order-sync completion zsh)' },
        {
          does: 'once, in fish',
          line: 'alipayhk-order-sync completion fish > ~/.config/fish/completions/alipayhk-order-sync.fish',
        },
      ],
    },
    async ({ argument }) => {
      await print(SHELLS[argument]?.([...others, completion]) ?? '')
      return 0
    },
  )
  return completion
}
