/** Fails when a link of the built site leads to a page or an anchor that does not exist. VitePress checks only the pages. */
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import process from 'node:process'

const SITE = '.cache/site'

const pages = new Map(
  readdirSync(SITE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.html'))
    .map((file) => [`/${file}`, readFileSync(`${SITE}/${file}`, 'utf8')]),
)
const anchors = new Map([...pages].map(([path, html]) => [path, new Set(matches(html, /\sid="([^"]*)"/g))]))

const broken = [...pages].flatMap(([path, html]) =>
  [...new Set(matches(html, /<a\s[^>]*?href="([^"]*)"/g))]
    .filter((href) => !/^[a-z]+:/.test(href) && !leadsSomewhere(path, href))
    .map((href) => `${path}: ${href}`),
)

function leadsSomewhere(page: string, href: string): boolean {
  const [path = '', anchor] = href.split('#')
  const target = path === '' ? page : withFile(posix.resolve(posix.dirname(page), path), path)
  const found = anchors.get(target)
  return found !== undefined && (anchor === undefined || anchor === '' || found.has(decodeURIComponent(anchor)))
}

function withFile(resolved: string, path: string): string {
  if (path.endsWith('/')) return posix.join(resolved, 'index.html')
  return resolved.endsWith('.html') ? resolved : `${resolved}.html`
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, match = '']) => match.replaceAll('&amp;', '&'))
}

for (const each of broken) console.error(`dead link: ${each}`)
console.log(`${pages.size} pages, ${broken.length} dead links`)
process.exitCode = broken.length === 0 ? 0 : 1
