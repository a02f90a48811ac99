import { readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import type { MarkdownRenderer } from 'vitepress'

const { repository } = JSON.parse(readFileSync('package.json', 'utf8')) as { repository?: { url: string } }

/** The anchor of a heading, as GitHub makes it. */
export function githubSlug(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Mark}\p{Number}\p{Connector_Punctuation} -]/gu, '')
    .replaceAll(' ', '-')
}

/** Files outside docs/ that are pages of the site, and the file of docs/ that includes each. */
const INCLUDED: Readonly<Record<string, string>> = {
  'CHANGELOG.md': 'docs/changelog.md',
  'CONTRIBUTING.md': 'docs/contributing.md',
  'SECURITY.md': 'docs/security.md',
  'benchmarks/HISTORY.md': 'docs/benchmark-history.md',
}

/** Other files and folders that the site has under another address. */
const MOVED: Readonly<Record<string, string>> = {
  'README.md': '/',
  'docs/decisions': '/decisions/0001-keys-are-parsed-synchronously',
}

/**
 * Pages link to files of the project by relative paths, which work on GitHub. On the site, a path that leaves docs/ becomes the address of
 * its page, of the file in the repository, or no link while package.json names no repository.
 */
export function linkOutside(md: MarkdownRenderer): void {
  md.core.ruler.push('links_outside', ({ tokens, env }) => {
    const { path: page } = env as { path?: string }
    if (page === undefined) return
    for (const { children } of tokens) relink(children ?? [], page)
  })
}

interface Token {
  readonly type: string
  tag: string
  attrs: [string, string][] | null
  attrGet(name: string): string | null
}

function relink(tokens: readonly Token[], page: string): void {
  for (const [index, token] of tokens.entries()) {
    const href = token.type === 'link_open' ? token.attrGet('href') : null
    if (href === null || /^([a-z]+:|\/|#)/.test(href)) continue
    const address = addressOf(href, page)
    token.attrs = address === undefined ? null : [['href', address]]
    if (address !== undefined) continue
    const end = tokens.slice(index).find(({ type }) => type === 'link_close')
    for (const each of [token, end]) if (each) each.tag = 'span'
  }
}

/** Undefined: the site has no such address. */
function addressOf(href: string, page: string): string | undefined {
  const [path = '', hash] = href.split('#')
  const source = Object.keys(INCLUDED).find((file) => INCLUDED[file] === relative('.', page))
  const target = resolve(dirname(source ?? page), path)
  const name = relative('.', target)
  const file = INCLUDED[name] ?? name
  const address = MOVED[name] ?? (/^docs\/.*\.md$/.test(file) ? file.slice('docs'.length, -'.md'.length) : undefined)
  if (address !== undefined) return hash === undefined ? address : `${address}#${hash}`
  return repository && `${repository.url.replace(/^git\+|\.git$/g, '')}/blob/main/${name}`
}
