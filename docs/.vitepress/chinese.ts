import type { DefaultTheme, LocaleSpecificConfig } from 'vitepress'
import { chineseSidebar } from './sidebar.ts'

/** The pages in Traditional Chinese, as it is written in Hong Kong, and the words of the theme. */
export const chinese: LocaleSpecificConfig<DefaultTheme.Config> & { label: string; link: string } = {
  label: '繁體中文（香港）',
  lang: 'zh-HK',
  link: '/zh-HK/',
  description: '用 Node 後端接收和發送 AlipayHK 的訂單同步 API',
  themeConfig: {
    nav: [
      { text: '快速開始', link: '/zh-HK/quick-start/index', activeMatch: '^/zh-HK/' },
      { text: '英文指南', link: '/frameworks' },
      { text: 'API（英文）', link: '/api/' },
    ],
    sidebar: chineseSidebar,
    outline: { level: [2, 3], label: '本頁內容' },
    docFooter: { prev: '上一頁', next: '下一頁' },
    darkModeSwitchLabel: '外觀',
    lightModeSwitchTitle: '切換至淺色模式',
    darkModeSwitchTitle: '切換至深色模式',
    sidebarMenuLabel: '選單',
    returnToTopLabel: '返回頂部',
    langMenuLabel: '切換語言',
  },
}

/** The words of the search. */
export const chineseSearch: Partial<DefaultTheme.LocalSearchOptions> = {
  translations: {
    button: { buttonText: '搜尋', buttonAriaLabel: '搜尋' },
    modal: {
      displayDetails: '顯示詳細內容',
      resetButtonTitle: '清除',
      backButtonTitle: '關閉',
      noResultsText: '找不到',
      footer: { selectText: '選擇', navigateText: '移動', closeText: '關閉' },
    },
  },
}
