/**
 * Fails when a link of the built site leads to a page or an anchor that does not exist (VitePress checks only the pages), or when its search does
 * not answer one of {@link SEARCH_QUESTIONS}.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import process from 'node:process'
import MiniSearch from 'minisearch'
import { boostDocument, tokenize } from '../docs/.vitepress/search.ts'
import { SEARCH_QUESTIONS } from './search-questions.ts'

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

/** The index that the site sends to the browser, with the settings of its search box. */
function loadSearch(): MiniSearch {
  const folder = `${SITE}/assets/chunks`
  const [file] = readdirSync(folder).filter((name) => name.startsWith('@localSearchIndexroot'))
  const [, json] = /^const \w+='(.*)';export/s.exec(readFileSync(`${folder}/${file}`, 'utf8')) ?? []
  if (json === undefined) throw new Error('The search index of the site has another form')
  return MiniSearch.loadJSON(
    json.replace(/\\(.)/g, (escaped, char: string) => (char === "'" || char === '\\' ? char : escaped)),
    {
      fields: ['title', 'titles', 'text'],
      storeFields: ['title', 'titles'],
      tokenize,
      searchOptions: { fuzzy: 0.2, prefix: true, boost: { title: 4, text: 2, titles: 1 }, boostDocument },
    },
  )
}

const search = loadSearch()
const unanswered = SEARCH_QUESTIONS.flatMap(([question, ...answers]) => {
  const hits = search.search(question).slice(0, 3)
  const found = hits.map(({ id }) => String(id).replace(/^\/|(?:\.html)?(?:#.*)?$/g, ''))
  return found.some((page) => answers.includes(page)) ? [] : [`"${question}" finds ${found.join(', ') || 'nothing'}`]
})

for (const each of broken) console.error(`dead link: ${each}`)
for (const each of unanswered) console.error(`search: ${each}`)
console.log(
  `${pages.size} pages, ${broken.length} dead links; ${SEARCH_QUESTIONS.length - unanswered.length} of ${SEARCH_QUESTIONS.length} questions found`,
)
process.exitCode = broken.length + unanswered.length === 0 ? 0 : 1
