/** The few shapes of the diagrams in docs/images. Each function returns SVG text. */

/** What a shape means. Each tone has a colour for a light and one for a dark page. */
export type Tone = 'plain' | 'yours' | 'good' | 'bad' | 'wait' | 'note'

interface Colors {
  readonly ground: string
  readonly text: string
  readonly muted: string
  readonly line: string
  readonly tones: Readonly<Record<Tone, { readonly fill: string; readonly stroke: string }>>
}

const LIGHT: Colors = {
  ground: '#ffffff',
  text: '#1f2328',
  muted: '#59636e',
  line: '#59636e',
  tones: {
    plain: { fill: '#f6f8fa', stroke: '#818b98' },
    yours: { fill: '#ddf4ff', stroke: '#0969da' },
    good: { fill: '#dafbe1', stroke: '#1a7f37' },
    bad: { fill: '#ffebe9', stroke: '#cf222e' },
    wait: { fill: '#fff8c5', stroke: '#9a6700' },
    note: { fill: 'none', stroke: '#818b98' },
  },
}

const DARK: Colors = {
  ground: '#0d1117',
  text: '#f0f6fc',
  muted: '#9198a1',
  line: '#9198a1',
  tones: {
    plain: { fill: '#151b23', stroke: '#656c76' },
    yours: { fill: '#121d2f', stroke: '#4493f8' },
    good: { fill: '#12261e', stroke: '#3fb950' },
    bad: { fill: '#25171c', stroke: '#f85149' },
    wait: { fill: '#272215', stroke: '#d29922' },
    note: { fill: 'none', stroke: '#656c76' },
  },
}

function rules({ ground, text, muted, line, tones }: Colors): string {
  const ofTones = Object.entries(tones).map(([name, { fill, stroke }]) => `.${name}{fill:${fill};stroke:${stroke}}`)
  return [
    `.ground{fill:${ground}}`,
    `text{fill:${text}}`,
    `.muted{fill:${muted}}`,
    `.line{stroke:${line}}`,
    `.tip{fill:${line}}`,
    ...ofTones,
  ].join('')
}

const SHAPES = [
  "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;font-size:13.5px}",
  'tspan.code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12.5px}',
  'tspan.strong,text.strong{font-weight:600}',
  'rect,.line{stroke-width:1.25}',
  '.line{fill:none}',
  '.ground{stroke:none}',
  '.note,.dashed{stroke-dasharray:4 3}',
].join('')

export const WIDTH = 720

/** A picture with a title and a description for screen readers. The ground is solid: a viewer may have another theme than the page. */
export function picture({
  title,
  description,
  height,
  shapes,
}: {
  readonly title: string
  readonly description: string
  readonly height: number
  readonly shapes: readonly string[]
}): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc">
<title id="title">${escapeXml(title)}</title>
<desc id="desc">${escapeXml(description)}</desc>
<style>${SHAPES}${rules(LIGHT)}@media (prefers-color-scheme:dark){${rules(DARK)}}</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>
<rect class="ground" width="${WIDTH}" height="${height}" rx="8"/>
${shapes.join('\n')}
</svg>
`
}

type Anchor = 'start' | 'middle' | 'end'

interface TextOptions {
  readonly anchor?: Anchor
  readonly muted?: boolean
}

/** One line. `code` between backticks is monospaced, and **text** between asterisks is bold. */
export function text(
  x: number,
  y: number,
  line: string,
  { anchor = 'start', muted = false }: TextOptions = {},
): string {
  const content = escapeXml(line)
    .replace(/`([^`]+)`/g, '<tspan class="code">$1</tspan>')
    .replace(/\*\*([^*]+)\*\*/g, '<tspan class="strong">$1</tspan>')
  return `<text x="${x}" y="${y}"${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}${muted ? ' class="muted"' : ''}>${content}</text>`
}

const LINE_HEIGHT = 18

/** Lines, one under the other. `y` is the base of the first one. */
export function paragraph(x: number, y: number, lines: readonly string[], options?: TextOptions): string {
  return lines.map((line, index) => text(x, y + index * LINE_HEIGHT, line, options)).join('\n')
}

export interface Area {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** A box with lines in its middle, or at its left side. */
export function box(
  { x, y, width, height }: Area,
  lines: readonly string[],
  { tone = 'plain', anchor = 'middle' }: { readonly tone?: Tone; readonly anchor?: 'start' | 'middle' } = {},
): string {
  const first = y + height / 2 - ((lines.length - 1) * LINE_HEIGHT) / 2 + 4.5
  return [
    `<rect class="${tone}" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`,
    paragraph(anchor === 'middle' ? x + width / 2 : x + 12, first, lines, { anchor }),
  ].join('\n')
}

export type Point = readonly [x: number, y: number]

/** A line through points, with a tip at its end. */
export function arrow(points: readonly Point[], { dashed = false }: { readonly dashed?: boolean } = {}): string {
  return `<path class="line${dashed ? ' dashed' : ''}" d="M${points.map(([x, y]) => `${x} ${y}`).join(' L')}" marker-end="url(#tip)"/>`
}

/** A line without a tip. */
export function line([x1, y1]: Point, [x2, y2]: Point, { dashed = false }: { readonly dashed?: boolean } = {}): string {
  return `<path class="line${dashed ? ' dashed' : ''}" d="M${x1} ${y1} L${x2} ${y2}"/>`
}

function escapeXml(raw: string): string {
  return raw.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
