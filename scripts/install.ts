import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { run } from './run.ts'

/** Installs the packages that `source` names into `folder`, unless those of the same lockfile are installed. */
export function install(source: string, folder: string, workspaces: readonly string[] = []): void {
  const installed = `${folder}/installed.json`
  const lock = readFileSync(`${source}/package-lock.json`, 'utf8')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return
  for (const path of ['package.json', 'package-lock.json', ...workspaces.map((name) => `${name}/package.json`)]) {
    cpSync(`${source}/${path}`, `${folder}/${path}`)
  }
  cpSync('.npmrc', `${folder}/.npmrc`)
  // To stderr: the caller may print a report on stdout.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'], folder, { stdout: 2 })
  writeFileSync(installed, lock)
}
