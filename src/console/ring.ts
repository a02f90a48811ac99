import { dropBodies, type Entry } from './entry.ts'

/** The last entries: at most `capacity` of them, with at most `maxBytes` of bodies. The oldest are dropped first. */
export function createRing({ capacity, maxBytes }: { readonly capacity: number; readonly maxBytes: number }) {
  /** Oldest first. */
  const entries = new Map<string, Entry>()
  let bytes = 0
  let version = 0

  function remove(entry: Entry): void {
    entries.delete(entry.id)
    bytes -= entry.size
  }

  function shrink(): void {
    for (const oldest of entries.values()) {
      if (entries.size <= capacity) break
      remove(oldest)
    }
    for (const oldest of entries.values()) {
      if (bytes <= maxBytes) break
      bytes -= oldest.size
      dropBodies(oldest)
      bytes += oldest.size
    }
  }

  return {
    /** Adds an entry, or replaces the one with the same id, which keeps its place. */
    put(entry: Entry): void {
      const known = entries.get(entry.id)
      if (known !== undefined) bytes -= known.size
      entry.version = ++version
      entries.set(entry.id, entry)
      bytes += entry.size
      shrink()
    },
    get: (id: string): Entry | undefined => entries.get(id),
    /** The entries that have changed after a version, the oldest change first. */
    since: (after: number): Entry[] =>
      [...entries.values()].filter((entry) => entry.version > after).sort((a, b) => a.version - b.version),
    version: () => version,
    bytes: () => bytes,
    size: () => entries.size,
  }
}

export type Ring = ReturnType<typeof createRing>
