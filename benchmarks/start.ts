import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { merchantRsa, pem } from '../tests/support/keys.ts'
import { type Contender, duel, type Figure, type Sample } from './measure.ts'

const FOLDER = '.cache/start'

/** Processes of a round. */
const STARTS = 4

/** Import of the root, with two PEM keys parsed, in fresh processes, against an empty module of the same format. */
export async function start(rounds: number): Promise<Figure[]> {
  mkdirSync(FOLDER, { recursive: true })
  const { privateKey, publicKey } = merchantRsa()
  const keys = [pem(privateKey), pem(publicKey)].map((text) => JSON.stringify(text))
  const parse = `parsePrivateKey(${keys[0]}); parsePublicKey(${keys[1]})`
  const modules = {
    ESM: ['mjs', `import { parsePrivateKey, parsePublicKey } from 'alipayhk-order-sync'; ${parse}`],
    CommonJS: ['cjs', `const { parsePrivateKey, parsePublicKey } = require('alipayhk-order-sync'); ${parse}`],
  } as const
  const figures: Figure[] = []
  for (const [format, [extension, code]] of Object.entries(modules)) {
    const what = `start, ${format}: milliseconds over an empty module`
    const ours = starting(`root.${extension}`, code)
    const theirs = starting(`empty.${extension}`, '')
    const measures = [{ unit: 'ms', of: ({ perSecond }: Sample) => 1_000 / perSecond, bar: { most: 20 } }]
    figures.push(...(await duel({ what, ours, theirs, measures }, rounds)).map(toDifference))
  }
  return figures
}

/**
 * Starts the module, from the first byte of Node to its end, one process after the other. The fastest counts: what else
 * the machine does makes a start longer, by more than is compared, and never shorter.
 */
function starting(name: string, code: string): Contender {
  const file = `${FOLDER}/${name}`
  writeFileSync(file, code)
  return async () => {
    let fastest = Number.POSITIVE_INFINITY
    for (let started = 0; started < STARTS; started++) {
      const begin = performance.now()
      const { status, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
      fastest = Math.min(fastest, performance.now() - begin)
    }
    return { perSecond: 1_000 / fastest }
  }
}

/** What an import costs comes on top of what Node costs: no multiple of it. */
const toDifference = (figure: Figure): Figure => ({ ...figure, ratio: figure.ours - figure.theirs })
