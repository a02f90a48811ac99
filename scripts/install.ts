import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { run } from './run.ts'

/** Installs into a folder what another folder's package.json names, unless the packages of that very lockfile are there. */
export function install(source: string, folder: string, workspaces: readonly string[] = []): void {
  const installed = `${folder}/installed.json`
  const lock = readFileSync(`${source}/package-lock.json`, 'utf8')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return
  for (const path of ['package.json', 'package-lock.json', ...workspaces.map((name) => `${name}/package.json`)]) {
    cpSync(`${source}/${path}`, `${folder}/${path}`)
  }
  cpSync('.npmrc', `${folder}/.npmrc`)
  // What npm says is no part of a report on stdout.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'], folder, { stdout: 2 })
  writeFileSync(installed, lock)
}
