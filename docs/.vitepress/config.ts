import { existsSync, readFileSync } from 'node:fs'
import { defineConfig } from 'vitepress'
import { githubSlug, linkOutside } from './markdown.ts'
import { apiSidebar, sidebar } from './sidebar.ts'

const { description } = JSON.parse(readFileSync('package.json', 'utf8')) as { description: string }

/** The site: the guides in docs/, and the API pages that typedoc writes into docs/api/. Built by `npm run docs`. */
export default defineConfig({
  title: 'alipayhk-order-sync',
  description,
  lang: 'en',
  outDir: '../.cache/site',
  cacheDir: '../.cache/vitepress',
  lastUpdated: false,
  // A page that does not exist fails the build. scripts/check-site.ts checks the anchors.
  ignoreDeadLinks: false,
  vite: { logLevel: 'warn', build: { chunkSizeWarningLimit: 2_000 } },
  markdown: {
    // As on GitHub, so that a link works in both places.
    anchor: { slugify: githubSlug },
    config: linkOutside,
  },
  themeConfig: {
    nav: [
      { text: 'Guides', link: '/frameworks', activeMatch: '^/(?!api/)' },
      { text: 'API', link: '/api/', activeMatch: '^/api/' },
    ],
    sidebar: { '/api/': apiSidebar(), '/': sidebar },
    outline: [2, 3],
    search: { provider: 'local' },
  },
  locales: existsSync('docs/zh-HK')
    ? {
        root: { label: 'English', lang: 'en' },
        'zh-HK': { label: '繁體中文（香港）', lang: 'zh-HK', link: '/zh-HK/' },
      }
    : {},
})
