/**
 * The words of a text, for the search. As MiniSearch does it, and Chinese in pairs of characters, because Chinese has no spaces.
 *
 * VitePress sends the text of this function to the browser: it must not use anything outside itself.
 */
export function tokenize(text: string): string[] {
  return text
    .split(/[\n\r\p{Z}\p{P}]+/u)
    .flatMap((word) => word.match(/\p{Script=Han}+|\P{Script=Han}+/gu) ?? [''])
    .flatMap((run) =>
      /^\p{Script=Han}{3,}$/u.test(run) ? [...run].slice(1).map((end, index) => `${[...run][index]}${end}`) : [run],
    )
}

/**
 * How much a hit counts. Guides come before the API, which has many short pages, and before pages about the project itself.
 *
 * VitePress sends the text of this function to the browser: it must not use anything outside itself.
 */
export function boostDocument(id: string): number {
  if (id.startsWith('/api/')) return 0.2
  return /^\/(?:decisions\/|changelog|contributing|benchmark-history|releasing|assurance)/.test(id) ? 0.3 : 1
}
