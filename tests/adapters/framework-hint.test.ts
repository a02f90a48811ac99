import { describe, expect, onTestFinished, test } from 'vitest'
import { addFrameworkHint } from '../../src/adapters/framework-hint.ts'

/** Sets a member of a global object until the test has finished. Returns an ordinary request. */
function setGlobal(target: object, name: string, value: unknown): object {
  Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: true })
  onTestFinished(() => void Reflect.deleteProperty(target, name))
  return {}
}

describe('addFrameworkHint', () => {
  test('keeps the hint of the adapter, and advises to test both media types', () => {
    const hint = addFrameworkHint('Mount it first.', {})
    expect(hint).toMatch(/^Mount it first\.\n\nTest with a plain and with an encrypted order/)
    expect(hint).not.toMatch(/Nest|Strapi|Sails|Vercel|Firebase/)
  })

  test.each<[string, () => object, string]>([
    ['Strapi', () => setGlobal(globalThis, 'strapi', {}), 'includeUnparsed: true'],
    ['Sails', () => ({ _sails: {} }), 'config/http.js'],
    ['Nest', () => setGlobal(Reflect, 'getMetadata', () => {}), '{ rawBody: true }'],
    ['Vercel', () => setGlobal(process.env, 'VERCEL', '1'), 'handler.fetch'],
    ['Firebase', () => setGlobal(process.env, 'FUNCTION_TARGET', 'orderSync'), 'request.rawBody'],
  ])('names the fix for %s where it is used', (name, createRequest, fix) => {
    const hint = addFrameworkHint('Mount it first.', createRequest())
    expect(hint).toMatch(new RegExp(`^(In|On) ${name}\\b`, 'm'))
    expect(hint).toContain(fix)
  })
})
