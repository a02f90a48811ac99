import { existsSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { githubSlug } from '../../docs/.vitepress/markdown.ts'
import { sidebar } from '../../docs/.vitepress/sidebar.ts'

const linked = sidebar.flatMap(({ items = [] }) => items.flatMap(({ link = '' }) => link))

test('the sidebar has each page of docs once', () => {
  const pages = readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !/^(api|zh-HK)\//.test(file) && file !== 'index.md')
    .map((file) => `/${file.slice(0, -3)}`)
  expect([...linked].sort()).toEqual(pages.sort())
})

test('an entry of the sidebar has the first heading of its page as text', () => {
  for (const { text, link } of sidebar.flatMap(({ items = [] }) => items)) {
    expect(existsSync(`docs${link}.md`)).toBe(true)
    expect(text).not.toMatch(/\.md$|^docs/)
  }
})

test.each([
  ['3.1 What is signed', '31-what-is-signed'],
  ['`onOrder` & `context.transaction`', 'onorder--contexttransaction'],
  ['ERR_KEY_USE', 'err_key_use'],
  ['簽名驗證失敗', '簽名驗證失敗'],
])('the anchor of "%s" is that of GitHub', (heading, anchor) => {
  expect(githubSlug(heading)).toBe(anchor)
})
