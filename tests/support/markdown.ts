/** One row of a table: the text of each cell by the heading of its column. */
export type Row = Readonly<Record<string, string>>

const HEADING = /^(#{1,6}) (.*)$/

/** The lines under a heading, up to the next heading of any level. Throws when there is no such heading. */
export function linesUnder(heading: string, markdown: string): string[] {
  const lines = markdown.split('\n')
  const start = lines.findIndex((line) => HEADING.exec(line)?.[2] === heading)
  if (start === -1) throw new Error(`there is no heading "${heading}"`)
  const rest = lines.slice(start + 1)
  const end = rest.findIndex((line) => HEADING.test(line))
  return end === -1 ? rest : rest.slice(0, end)
}

/** The rows of the table whose first column has this title. Throws when there is no such table. */
export function tableRows(firstColumn: string, lines: readonly string[]): Row[] {
  const start = lines.findIndex((line) => line.startsWith('|') && cellsOf(line)[0] === firstColumn)
  if (start === -1) throw new Error(`there is no table whose first column is "${firstColumn}"`)
  const columns = cellsOf(lines[start] ?? '')
  // The line after the titles separates them from the rows.
  const rest = lines.slice(start + 2)
  const end = rest.findIndex((line) => !line.startsWith('|'))
  const rows = end === -1 ? rest : rest.slice(0, end)
  return rows.map((row) => {
    const cells = cellsOf(row)
    return Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? '']))
  })
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
}

/** The texts in backticks. */
export function codeSpans(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)
}
