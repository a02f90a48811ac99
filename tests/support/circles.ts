/** Who imports whom: the name of a file or folder, and the names of those that it imports. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>

/** Builds a graph from pairs of names. A name that imports itself counts as no edge. */
export function graphOf(edges: Iterable<readonly [from: string, to: string]>): Graph {
  const graph = new Map<string, Set<string>>()
  for (const [from, to] of edges) {
    if (from !== to) graph.set(from, (graph.get(from) ?? new Set()).add(to))
  }
  return graph
}

/** The circles of a graph, shortest first, each as `a → b → a`. Every edge that lies on a circle is in at least one. */
export function circlesOf(graph: Graph): string[] {
  const circles = new Map<string, number>()
  for (const [from, targets] of graph) {
    for (const to of targets) {
      const path = shortestPath(graph, to, from)
      if (path) circles.set(print(path), path.length)
    }
  }
  return [...circles].sort(([, a], [, b]) => a - b).map(([circle]) => circle)
}

/** Breadth first. */
function shortestPath(graph: Graph, start: string, end: string): string[] | undefined {
  const seen = new Set([start])
  const paths = [[start]]
  for (const path of paths) {
    const last = path.at(-1) ?? start
    if (last === end) return path
    for (const next of graph.get(last) ?? []) {
      if (!seen.has(next)) paths.push([...path, next])
      seen.add(next)
    }
  }
  return undefined
}

/** The same circle reads the same, wherever the search started: from its first name in alphabetical order. */
function print(circle: readonly string[]): string {
  const [first = ''] = [...circle].sort()
  const start = circle.indexOf(first)
  return [...circle.slice(start), ...circle.slice(0, start), first].join(' → ')
}
