import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { merchantRsa, pem } from '../tests/support/keys.ts'
import { type Contender, compare, type Figure, type Sample } from './measure.ts'

const FOLDER = '.cache/start'

/** Processes in a round. */
const STARTS = 4

/**
 * Compares a module that imports the root entry point and parses two PEM keys with an empty module of the same format.
 * Each start is a new process.
 */
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
    const what = `${format}, extra time over an empty module`
    const ours = startModule(`root.${extension}`, code)
    const theirs = startModule(`empty.${extension}`, '')
    const measures = [{ unit: 'ms', of: ({ perSecond }: Sample) => 1_000 / perSecond, bar: { most: 20 } }]
    figures.push(...(await compare({ what, ours, theirs, measures }, rounds)).map(toDifference))
  }
  return figures
}

/**
 * Runs the module in one process after the other. The fastest counts: other programs on the machine make a start longer,
 * by more than the difference that is measured, and never shorter.
 */
function startModule(name: string, code: string): Contender {
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

/** The cost of an import adds to the start of Node.js and does not multiply it, so the figure is a difference. */
const toDifference = (figure: Figure): Figure => ({ ...figure, ratio: figure.ours - figure.theirs })
