/**
 * The words of a text, for the search. As MiniSearch does it, with two differences: Chinese in pairs of characters, because Chinese has no spaces, and
 * `PKCS#8` as one word, because people type `pkcs8`.
 *
 * VitePress sends the text of this function to the browser: it must not use anything outside itself.
 */
export function tokenize(text: string): string[] {
  return text
    .replace(/(?<=\p{L})#(?=\d)/gu, '')
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

/**
 * A word of a question as it is looked up, or `null` for a word that says nothing about the subject.
 *
 * VitePress sends the text of this function to the browser: it must not use anything outside itself.
 */
export function processQueryTerm(term: string): string | null {
  const word = term.toLowerCase()
  const isFiller =
    /^(?:an?|and|are|as|at|be|but|by|can|could|do|does|for|from|get|has|have|how|i|if|in|into|is|it|its|me|my|of|on|or|our|should|so|than|that|the|their|then|there|they|this|to|use|was|we|were|what|when|where|which|while|who|why|will|with|would|you|your)$/
  return isFiller.test(word) ? null : word
}

/** How the search box looks a question up. The first three are VitePress' own. */
export const searchOptions = {
  fuzzy: 0.2,
  prefix: true,
  boost: { title: 4, text: 2, titles: 1 },
  boostDocument,
  processTerm: processQueryTerm,
}
