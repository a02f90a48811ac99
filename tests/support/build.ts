import { ensureBuilt } from '../../scripts/ensure-built.ts'

/** Builds the package for the tests that use dist/. */
export default function setup(): void {
  ensureBuilt()
}
