/**
 * A plugin of typedoc. TypeScript does not resolve the link in `@throws {@link ProtocolError}`, and typedoc searches only the
 * entry point that contains the docblock. This plugin finds the name in the other entry points.
 *
 * @param {import('typedoc').Application} app
 */
export function load(app) {
  app.converter.addUnknownSymbolResolver(({ symbolReference }, from) => {
    const [step, ...others] = symbolReference?.path ?? []
    if (step === undefined || others.length > 0) return undefined
    const exports = from.project.children?.flatMap(({ children = [] }) => children) ?? []
    const target = exports.find(({ name }) => name === step.path)
    return target && { target }
  })
}
