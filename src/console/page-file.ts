import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** The page, and the hashes of its script and its style sheet for the Content-Security-Policy. */
export interface PageFile {
  readonly html: string
  readonly script: string
  readonly style: string
}

let file: Promise<PageFile> | undefined

/**
 * Reads the page once. scripts/build-console.ts makes it, beside the entry points.
 *
 * @throws Error when the package is not built
 */
export function readPage(): Promise<PageFile> {
  file ??= read().catch((error: unknown) => {
    file = undefined
    throw error
  })
  return file
}

async function read(): Promise<PageFile> {
  const html = await readFile(new URL('./console.html', import.meta.url), 'utf8').catch(() =>
    // In the tests of this repository, the page is built from the sources.
    readFile(new URL('../../dist/console.html', import.meta.url), 'utf8'),
  )
  return { html, script: hashOf(html, 'script'), style: hashOf(html, 'style') }
}

function hashOf(html: string, tag: string): string {
  const [, content = ''] = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(html) ?? []
  return createHash('sha256').update(content).digest('base64')
}
