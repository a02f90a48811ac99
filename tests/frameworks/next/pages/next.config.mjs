import { resolve } from 'node:path'

// The project's root: the package under test is linked from there into node_modules.
const root = resolve(import.meta.dirname, '../../../../..')

export default { outputFileTracingRoot: root, turbopack: { root } }
