import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { diagrams } from '../../scripts/diagrams.ts'
import { documents, read } from '../support/project.ts'

const shown = new Set(
  documents.flatMap((from) =>
    [...read(from).matchAll(/!\[[^\]]+\]\(([^)\s]+\.svg)\)/g)].map(([, target = '']) =>
      posix.join(posix.dirname(from), target),
    ),
  ),
)

/** Pages show a picture 700 pixels wide, or narrower. */
const PAGE_WIDTH = 700
const MIN_FONT_PIXELS = 12

describe.each(Object.entries(diagrams))('%s', (path, svg) => {
  test('is shown on a page, with an alternative text', () => {
    expect([...shown]).toContain(path)
  })

  test('has a title and a description', () => {
    expect(svg).toMatch(/<title id="title">[^<]+<\/title>\n<desc id="desc">[^<]{80,}<\/desc>/)
  })

  test('has colours for a dark page, and a solid ground', () => {
    expect(svg).toContain('@media (prefers-color-scheme:dark)')
    expect(svg).toMatch(/<rect class="ground" width="720" height="\d+"/)
  })

  test('has no text below 12 pixels on a page, and none outside the picture', () => {
    const sizes = [...svg.matchAll(/font-size:([\d.]+)px/g)].map(([, size]) => Number(size))
    const width = Number(/viewBox="0 0 (\d+) /.exec(svg)?.[1])
    const height = Number(/viewBox="0 0 \d+ (\d+)"/.exec(svg)?.[1])
    expect(sizes).not.toEqual([])
    for (const size of sizes) expect((size * PAGE_WIDTH) / width).toBeGreaterThanOrEqual(MIN_FONT_PIXELS)
    const places = [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)])
    expect(places).not.toEqual([])
    for (const [x = Number.NaN, y = Number.NaN] of places) {
      expect(x > 0 && x < width && y > 0 && y < height - 4).toBe(true)
    }
  })
})
