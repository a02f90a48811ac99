import { existsSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { githubSlug } from '../../docs/.vitepress/markdown.ts'
import { boostDocument, processQueryTerm, tokenize } from '../../docs/.vitepress/search.ts'
import { chineseSidebar, sidebar } from '../../docs/.vitepress/sidebar.ts'

const linked = sidebar.flatMap(({ items = [] }) => items.flatMap(({ link = '' }) => link))

test('the sidebar has each page of docs once', () => {
  const pages = readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !/^(api|zh-HK)\//.test(file) && file !== 'index.md')
    .map((file) => `/${file.slice(0, -3)}`)
  expect([...linked].sort()).toEqual(pages.sort())
})

test('the Chinese sidebar has each page of docs/zh-HK once', () => {
  const pages = readdirSync('docs/zh-HK', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && file !== 'index.md')
    .map((file) => `/zh-HK/${file.slice(0, -3)}`)
  const inSidebar = chineseSidebar.flatMap(({ items = [] }) => items.flatMap(({ link = '' }) => link))
  expect([...inSidebar].sort()).toEqual(pages.sort())
})

test('the search takes English by words and Chinese by pairs of characters', () => {
  expect(tokenize('Rotate your key: privateKeys')).toEqual(['Rotate', 'your', 'key', 'privateKeys'])
  expect(tokenize('驗簽失敗，用NTP校正')).toEqual(['驗簽', '簽失', '失敗', '用', 'NTP', '校正'])
})

test('the search takes PKCS#8 as one word, and leaves other # signs alone', () => {
  expect(tokenize('PKCS#8, issue #8')).toEqual(['PKCS8', 'issue', '8'])
})

test('the search looks for the words of a question that name its subject', () => {
  const words = tokenize('Where do I get the Client-Id?').map(processQueryTerm)
  expect(words.filter((word) => word !== null)).toEqual(['client', 'id', ''])
})

test.each([tokenize, boostDocument, processQueryTerm])(
  '%o works in the browser, where its file does not exist',
  (fn) => {
    const copy: (text: string) => unknown = new Function(`return ${fn}`)()
    for (const text of ['/api/index.html', 'Where is PKCS#8?', '驗簽失敗']) expect(copy(text)).toEqual(fn(text))
  },
)

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
