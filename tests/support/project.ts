import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of the project, with a slash at the end. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** The text of a file of the project. */
export const read = (path: string) => readFileSync(root + path, 'utf8')

/** The files in a folder of the project and its subfolders, as paths in the project. Empty when there is no such folder. */
export function files(folder: string, pattern: RegExp): string[] {
  if (!existsSync(root + folder)) return []
  const names = readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
  return names
    .map((name) => `${folder}/${name}`)
    .filter((path) => pattern.test(path))
    .sort()
}

/** The Markdown files of the project: in its folder, and in docs/. */
export const documents = [...readdirSync(root), ...files('docs', /^(?!docs\/api\/)/)].filter((path) =>
  /\.md$/.test(path),
)
