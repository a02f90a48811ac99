import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The project's folder, with a slash at its end. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** The text of a file of the project. */
export const read = (path: string) => readFileSync(root + path, 'utf8')

/** The files under a folder of the project, by their path in it; none when there is no such folder. */
export function files(folder: string, pattern: RegExp): string[] {
  if (!existsSync(root + folder)) return []
  const names = readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
  return names
    .map((name) => `${folder}/${name}`)
    .filter((path) => pattern.test(path))
    .sort()
}

/** The Markdown files that people read: beside package.json, and under docs/. */
export const documents = [...readdirSync(root), ...files('docs', /^(?!docs\/api\/)/)].filter((path) =>
  /\.md$/.test(path),
)
