import { resolve } from 'node:path'

// Of the package that is linked in node_modules, too.
const root = resolve(import.meta.dirname, '../../../../..')

export default { outputFileTracingRoot: root, turbopack: { root } }
