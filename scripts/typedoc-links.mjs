import { readFileSync } from 'node:fs'
import { Converter } from 'typedoc'
import { MarkdownPageEvent } from 'typedoc-plugin-markdown'

const { name: packageName } = JSON.parse(readFileSync('package.json', 'utf8'))

/**
 * A plugin of typedoc with three jobs.
 *
 * 1. TypeScript does not resolve the link in `@throws {@link ProtocolError}`, and typedoc searches only the entry point that
 *    contains the docblock. The plugin finds the name in the other entry points.
 * 2. Modules have the name that an application imports.
 * 3. `docs/protocol.md section 3.1` in a docblock becomes a link.
 *
 * @param {import('typedoc').Application} app
 */
export function load(app) {
  app.converter.addUnknownSymbolResolver(({ symbolReference }, from) => {
    const [step, ...others] = symbolReference?.path ?? []
    if (step === undefined || others.length > 0) return undefined
    const exports = from.project.children?.flatMap(({ children = [] }) => children) ?? []
    const target = exports.find(({ name }) => name === step.path)
    return target && { target }
  })

  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children ?? []) {
      module.name = module.name === 'index' ? packageName : `${packageName}/${module.name}`
    }
  })

  const anchors = sectionAnchors(readFileSync('docs/protocol.md', 'utf8'))
  app.renderer.on(MarkdownPageEvent.END, (page) => {
    const up = '../'.repeat(page.url.split('/').length)
    page.contents = page.contents?.replace(
      /docs\/protocol\.md sections? (\d+(?:\.\d+)?)(?: (and|to) (\d+(?:\.\d+)?))?/g,
      (_text, first, word, last) => {
        const link = (section) => `[${section}](${up}protocol.md#${anchorOf(anchors, section)})`
        return `${word ? 'sections' : 'section'} ${link(first)}${word ? ` ${word} ${link(last)}` : ''} of the protocol`
      },
    )
  })
}

/** The anchors of the numbered headings, as GitHub and docs/.vitepress make them: of `### 3.1 What is signed`, `31-what-is-signed`. */
function sectionAnchors(source) {
  const headings = source.matchAll(/^#{2,3} (\d+(?:\.\d+)?)\.? (.*)$/gm)
  return new Map(
    [...headings].map(([line, number]) => [
      number,
      line
        .replace(/^#+ /, '')
        .toLowerCase()
        .replace(/[^a-z0-9_ -]/g, '')
        .replaceAll(' ', '-'),
    ]),
  )
}

function anchorOf(anchors, section) {
  const anchor = anchors.get(section)
  if (anchor === undefined) throw new Error(`docs/protocol.md has no section ${section}`)
  return anchor
}
