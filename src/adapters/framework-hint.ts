import process from 'node:process'

/** What can be seen of a framework that is built on another one: the adapter only knows the one below. */
interface Framework {
  readonly isUsed: (request: object) => boolean
  readonly fix: string
}

const FRAMEWORKS: readonly Framework[] = [
  {
    isUsed: () => 'strapi' in globalThis,
    fix: `In Strapi, let strapi::body keep the bytes, in config/middlewares:

  { name: 'strapi::body', config: { includeUnparsed: true } }`,
  },
  {
    isUsed: (request) => '_sails' in request,
    fix: `In Sails, skip the body parser for this path: wrap http.middleware.bodyParser in config/http.js.`,
  },
  {
    // Nest cannot run without reflect-metadata, which few others load.
    isUsed: () => 'getMetadata' in Reflect,
    fix: `In Nest, mount it with app.use(path, expressOrderSync(handler)) before app.listen(). In a controller, keep the bytes:

  NestFactory.create(AppModule, { rawBody: true })`,
  },
  {
    isUsed: () => hasVariable('VERCEL'),
    fix: `On Vercel, do not read request.body before the handler: it is parsed when it is read. Or use the Web API: export const POST = handler.fetch.`,
  },
  {
    isUsed: () => hasVariable('FUNCTION_TARGET'),
    fix: `In Firebase and Google Cloud Functions, the platform keeps the bytes as request.rawBody: pass its own request on, not a copy.`,
  },
]

/** Whether an environment variable is set. Deno throws where the program may not read the environment. */
function hasVariable(name: string): boolean {
  try {
    return name in process.env
  } catch {
    return false
  }
}

/** Parsers treat the two media types differently, so a test with one of them proves little. */
const BOTH_TYPES = `Test with a plain and with an encrypted order: body parsers treat application/json and text/plain differently.`

/** Adds to a hint how to fix the mounting in the framework that is used, where that can be told. */
export function addFrameworkHint(hint: string, request: object): string {
  const fixes = FRAMEWORKS.filter(({ isUsed }) => isUsed(request)).map(({ fix }) => fix)
  return [hint, ...fixes, BOTH_TYPES].join('\n\n')
}
