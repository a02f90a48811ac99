import { existsSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { githubSlug } from '../../docs/.vitepress/markdown.ts'
import { tokenize } from '../../docs/.vitepress/search.ts'
import { chineseSidebar, sidebar } from '../../docs/.vitepress/sidebar.ts'

const linked = sidebar.flatMap(({ items = [] }) => items.flatMap(({ link = '' }) => link))

test('the sidebar has each page of docs once', () => {
  const pages = readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !/^(api|zh-HK)\//.test(file) && file !== 'index.md')
    .map((file) => `/${file.slice(0, -3)}`)
  expect([...linked].sort()).toEqual(pages.sort())
})

test('the Chinese sidebar has each page of docs/zh-HK once', () => {
  const pages = readdirSync('docs/zh-HK')
    .filter((file) => file.endsWith('.md') && file !== 'index.md')
    .map((file) => `/zh-HK/${file.slice(0, -3)}`)
  const inSidebar = chineseSidebar.flatMap(({ items = [] }) => items.flatMap(({ link = '' }) => link))
  expect([...inSidebar].sort()).toEqual(pages.sort())
})

test('the search takes English by words and Chinese by pairs of characters', () => {
  expect(tokenize('Rotate your key: privateKeys')).toEqual(['Rotate', 'your', 'key', 'privateKeys'])
  expect(tokenize('驗簽失敗，用NTP校正')).toEqual(['驗簽', '簽失', '失敗', '用', 'NTP', '校正'])
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
