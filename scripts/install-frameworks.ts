import { resolve } from 'node:path'
import { install } from './install.ts'

/** The folder whose package.json names the frameworks, and the folder into which they are installed. */
export const source = resolve('tests/frameworks')
export const folder = resolve('.cache/frameworks')
export const MAJORS = ['current', 'previous']

/** Installs the frameworks, unless those of the same lockfile are installed. */
export function installFrameworks(): void {
  install(source, folder, MAJORS)
}
