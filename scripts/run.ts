import { spawnSync } from 'node:child_process'
import process from 'node:process'

/**
 * Runs a program, and throws when it fails.
 *
 * @param stdout Where its output goes: to our own stdout, or to a file descriptor.
 * @param timeoutMs After that time the program is stopped.
 */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  {
    env = {},
    stdout = 'inherit',
    timeoutMs,
  }: { env?: Record<string, string>; stdout?: 'inherit' | number; timeoutMs?: number } = {},
): void {
  const { status } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', stdout, 'inherit'],
    timeout: timeoutMs,
  })
  if (status !== 0) throw new Error(`${command} ${args[0]} has failed in ${cwd}`)
}

/** The arguments for node to run vitest, which reports on the console and, as JSON, in a file. */
export function vitest(args: readonly string[], results: string): string[] {
  return [
    'node_modules/vitest/vitest.mjs',
    ...args,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
  ]
}
