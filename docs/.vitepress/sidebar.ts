import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { DefaultTheme } from 'vitepress'

const QUICK_STARTS = [
  ...['index', 'express', 'next', 'nest', 'fastify', 'koa', 'hono', 'node', 'bun', 'deno'],
  ...['egg', 'midway', 'strapi', 'lambda', 'vercel'],
].map((page) => `quick-start/${page}`)

/** Every page of docs/ is listed here or under Decisions: tests/docs/site.test.ts checks it. */
const TOPICS: Readonly<Record<string, readonly string[]>> = {
  'Quick start': QUICK_STARTS,
  Start: ['before-you-start', 'frameworks', 'raw-body', 'runtimes', 'migrate', 'other-languages', 'command-line'],
  Receive: ['idempotency', 'stores', 'orm', 'process-again', 'verify-request', 'events', 'multi-tenant'],
  Send: ['send', 'bulk', 'outbox'],
  Keys: ['keys', 'kms', 'encryption'],
  'When something fails': ['errors', 'explain', 'proxies', 'time', 'console'],
  Test: ['testing', 'simulator'],
  Run: ['go-live', 'deployment', 'database', 'health', 'observability', 'performance'],
  Security: ['security-model', 'security', 'assurance', 'comparison'],
  Reference: ['protocol', 'changelog', 'contributing', 'releasing', 'benchmark-history'],
}

/** The sidebar of the guides. A page has the name of its first heading. */
export const sidebar: DefaultTheme.SidebarItem[] = [
  ...Object.entries(TOPICS).map(([text, pages]) => ({
    text,
    items: pages.map((page) => ({ text: titleOf(`docs/${page}.md`), link: `/${page}` })),
  })),
  {
    text: 'Decisions',
    collapsed: true,
    items: readdirSync('docs/decisions')
      .filter((file) => /^\d{4}-.*\.md$/.test(file))
      .map((file) => ({ text: titleOf(`docs/decisions/${file}`), link: `/decisions/${file.slice(0, -3)}` })),
  },
]

/** Every page of docs/zh-HK, apart from its landing page. */
const CHINESE_TOPICS: Readonly<Record<string, readonly string[]>> = {
  開始之前: ['before-you-start'],
  快速開始: QUICK_STARTS,
  接收訂單: ['idempotency'],
  出現問題時: ['signature', 'errors'],
  上線: ['go-live'],
}

/** The sidebar of the pages in Traditional Chinese. */
export const chineseSidebar: DefaultTheme.SidebarItem[] = Object.entries(CHINESE_TOPICS).map(([text, pages]) => ({
  text,
  items: pages.map((page) => ({ text: titleOf(`docs/zh-HK/${page}.md`), link: `/zh-HK/${page}` })),
}))

/** The sidebar of the API, which typedoc writes. */
export function apiSidebar(): DefaultTheme.SidebarItem[] {
  const file = 'docs/api/typedoc-sidebar.json'
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as DefaultTheme.SidebarItem[]) : []
}

function titleOf(path: string): string {
  const source = readFileSync(path, 'utf8')
  const [, included] = /^<!--@include: (.*)-->$/m.exec(source) ?? []
  if (included !== undefined) return titleOf(`docs/${included}`)
  return (
    /^# (.*)$/m
      .exec(source)?.[1]
      ?.replaceAll('`', '')
      .replace(/^(?:Quick start: |快速開始：)/, '') ?? path
  )
}
