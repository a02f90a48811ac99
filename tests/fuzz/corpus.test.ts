import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createRandom } from '../../src/testing/simulator/random.ts'
import { root } from '../support/project.ts'
import { mutate } from './mutate.ts'
import { TARGETS } from './targets.ts'

// Inputs that have broken something once, and a few hundred new ones for each target. `npm run fuzz` runs as many as you like.

const corpus = readdirSync(`${root}tests/fuzz/corpus`).filter((file) => file.endsWith('.bin'))

describe.each(Object.entries(TARGETS))('%s', (name, { seeds, run }) => {
  test('keeps its invariants for the corpus', async () => {
    for (const file of corpus) await run(readFileSync(`${root}tests/fuzz/corpus/${file}`))
  })

  test('keeps its invariants for 200 changed inputs', async () => {
    const random = createRandom(name.length)
    for (let count = 0; count < 200; count++)
      await run(mutate(seeds[count % seeds.length] ?? new Uint8Array(), seeds, random))
  })

  test('accepts an input that is not changed', async () => {
    const outcomes = await Promise.all(seeds.map(run))
    expect(outcomes.some((outcome) => /accepted|verified|^200 /.test(outcome))).toBe(true)
  })
})
