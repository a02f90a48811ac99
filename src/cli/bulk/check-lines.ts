import { printJson, printToStderr } from '../output.ts'
import { openInput } from './input.ts'
import { parseOrderLine, validateOrder } from './order-line.ts'

/** Further invalid lines are only counted. */
const MAX_SHOWN = 20

/** Validates the orders of a file, one on each line, and sends nothing. Resolves to the exit status. */
export async function checkLines(orders: string, allowFractions: boolean): Promise<number> {
  let [valid, invalid] = [0, 0]
  for await (const { number, bytes } of openInput(orders).lines) {
    const parsed = parseOrderLine(bytes, allowFractions)
    const checked = 'order' in parsed ? validateOrder(parsed.order, allowFractions) : parsed
    if ('order' in checked) valid++
    else if (++invalid <= MAX_SHOWN) printToStderr(`Line ${number}: invalid. ${checked.issue.message}`)
  }
  if (invalid > MAX_SHOWN) printToStderr(`${invalid - MAX_SHOWN} further invalid lines are not shown.`)
  await printJson({ dryRun: true, valid, invalid })
  return invalid > 0 ? 64 : 0
}
