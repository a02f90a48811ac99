/**
 * Fails when a link of the built site leads to a page or an anchor that does not exist (VitePress checks only the pages), or when its search does
 * not answer one of the questions of search-questions.ts.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import process from 'node:process'
import MiniSearch from 'minisearch'
import { searchOptions, tokenize } from '../docs/.vitepress/search.ts'
import { CHINESE_QUESTIONS, SEARCH_QUESTIONS, SEARCH_WORDS, type SearchQuestion } from './search-questions.ts'

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

/** The index that the site sends to the browser for a language, with the settings of its search box. */
function loadSearch(locale: string): MiniSearch {
  const folder = `${SITE}/assets/chunks`
  const [file] = readdirSync(folder).filter((name) => name.startsWith(`@localSearchIndex${locale}`))
  const [, json] = /^const \w+='(.*)';export/s.exec(readFileSync(`${folder}/${file}`, 'utf8')) ?? []
  if (json === undefined) throw new Error('The search index of the site has another form')
  return MiniSearch.loadJSON(
    json.replace(/\\(.)/g, (escaped, char: string) => (char === "'" || char === '\\' ? char : escaped)),
    { fields: ['title', 'titles', 'text'], storeFields: ['title', 'titles'], tokenize, searchOptions },
  )
}

/** The questions whose answers are not among the first three hits, with what is there instead. */
function findUnanswered(locale: string, questions: readonly SearchQuestion[]): string[] {
  const search = loadSearch(locale)
  return questions.flatMap(([question, ...answers]) => {
    const hits = search.search(question).slice(0, 3)
    // "/keys.html#formats" is the section "keys#formats" of the page "keys".
    const found = hits.map(({ id }) => String(id).replace(/^\/|\.html(?=#|$)/g, ''))
    const isAnswered = found.some((hit) => answers.includes(hit) || answers.includes(hit.replace(/#.*/, '')))
    return isAnswered ? [] : [`"${question}" finds ${found.join(', ') || 'nothing'}`]
  })
}

const questionCount = SEARCH_QUESTIONS.length + SEARCH_WORDS.length + CHINESE_QUESTIONS.length
const unanswered = [
  ...findUnanswered('root', [...SEARCH_QUESTIONS, ...SEARCH_WORDS]),
  ...findUnanswered('zh-HK', CHINESE_QUESTIONS),
]

for (const each of broken) console.error(`dead link: ${each}`)
for (const each of unanswered) console.error(`search: ${each}`)
if (unanswered.length > 0) {
  console.error('Use the words of the question in the heading or in the text of the section that answers it.')
}
console.log(
  `${pages.size} pages, ${broken.length} dead links; ${questionCount - unanswered.length} of ${questionCount} questions found`,
)
process.exitCode = broken.length + unanswered.length === 0 ? 0 : 1
