import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitepress'
import { chinese, chineseSearch } from './chinese.ts'
import { githubSlug, linkOutside } from './markdown.ts'
import { searchOptions, tokenize } from './search.ts'
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
    // The default themes are below the contrast of WCAG AA.
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    // As on GitHub, so that a link works in both places.
    anchor: { slugify: githubSlug },
    config: linkOutside,
  },
  themeConfig: {
    nav: [
      { text: 'Guides', link: '/quick-start/index', activeMatch: '^/(?!api/)' },
      { text: 'API', link: '/api/', activeMatch: '^/api/' },
    ],
    sidebar: { '/api/': apiSidebar(), '/': sidebar },
    outline: [2, 3],
    // Most pages are in English only: the menu of languages leads to the landing page.
    i18nRouting: false,
    search: {
      provider: 'local',
      options: {
        miniSearch: { options: { tokenize }, searchOptions },
        locales: { 'zh-HK': chineseSearch },
      },
    },
  },
  locales: {
    root: { label: 'English', lang: 'en' },
    'zh-HK': chinese,
  },
})
