import { resolve } from 'node:path'
import { install } from './install.ts'

/** What the frameworks are installed from, and to. */
export const source = resolve('tests/frameworks')
export const folder = resolve('.cache/frameworks')
export const MAJORS = ['current', 'previous']

/** Installs the frameworks, unless those of this very lockfile are there. */
export function installFrameworks(): void {
  install(source, folder, MAJORS)
}
