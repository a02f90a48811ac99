import process from 'node:process'

/** Signs of a framework or platform that is built on another one: the adapter only knows the lower one. */
interface Framework {
  readonly isUsed: (request: object, framework: object) => boolean
  readonly fix: string
}

const VERCEL_CONTEXT: unique symbol = Symbol.for('@vercel/request-context')
const EGG_PATH: unique symbol = Symbol.for('egg#eggPath')

const FRAMEWORKS: readonly Framework[] = [
  {
    isUsed: () => 'strapi' in globalThis,
    fix: `In Strapi, let strapi::body keep the bytes, in config/middlewares:

  { name: 'strapi::body', config: { includeUnparsed: true } }`,
  },
  {
    isUsed: (request) => '_sails' in request,
    fix: `In Sails, run it before the body parser, as HTTP middleware in config/http.js:

  order: ['orderSync', 'cookieParser', 'session', 'bodyParser', /* and so on */],
  orderSync: (req, res, next) => (req.path === path ? orderSync(req, res) : next()),`,
  },
  {
    // reflect-metadata alone proves little: TypeORM and Midway load it too.
    isUsed: () => 'getMetadata' in Reflect && isInstalled('@nestjs/core'),
    fix: `In Nest, mount it with app.use(path, expressOrderSync(handler)) before app.listen(). In a controller, keep the bytes:

  NestFactory.create(AppModule, { rawBody: true })`,
  },
  {
    isUsed: () => 'MIDWAY_APPLICATION_CONTEXT' in globalThis,
    // Its option bodyParser.ignore has no effect.
    fix: `In Midway on Koa, call the Koa adapter with the context, whose request has the text that the body parser keeps:

  await koaOrderSync(handler)(context) // not context.req and context.res`,
  },
  {
    isUsed: (_request, framework) => EGG_PATH in applicationOf(framework) || isInstalled('egg'),
    fix: `In Egg, call koaOrderSync(handler) with the context, and exclude the path from the body parser and the CSRF check, in config/config.default.js:

  bodyParser: { ignore: path },
  security: { csrf: { ignore: path } },`,
  },
  {
    isUsed: (request) => '$service' in request && '$route' in request,
    fix: `In Moleculer, define a separate route without body parsers, in the settings of moleculer-web:

  routes: [{ path: '/', bodyParsers: false, aliases: { [\`POST \${path}\`]: (req, res) => orderSync(req, res) } }]`,
  },
  {
    // A request of node:http shows no sign of Moleculer.
    isUsed: () => isInstalled('@adonisjs/core'),
    fix: `In Adonis, pass the text that its body parser keeps:

  Object.assign(request.request, { rawBody: request.raw() })
  return orderSync(request.request, response.response)`,
  },
  {
    isUsed: () => VERCEL_CONTEXT in globalThis || hasVariable('VERCEL'),
    fix: `On Vercel, its helpers read the body before your function runs. Use the Web API:

  export const POST = handler.fetch

or switch the helpers off with the environment variable NODEJS_HELPERS=0. In an API route of Next.js:

  export const config = { api: { bodyParser: false } }`,
  },
  {
    // functions-framework sets executionId. The variable is also set by the emulator of Firebase.
    isUsed: (request) => 'executionId' in request || hasVariable('FUNCTION_TARGET'),
    fix: `In Firebase and Google Cloud Functions, the platform keeps the bytes as request.rawBody. Pass the original request, not a copy.`,
  },
]

/** Koa and Express put their application on their request. */
function applicationOf(framework: object): object {
  const { app } = framework as { readonly app?: unknown }
  return (typeof app === 'object' && app !== null) || typeof app === 'function' ? app : {}
}

/** Deno prompts for permission to read variables and files: a hint must not cause a prompt. */
const asksForPermission = () => 'Deno' in globalThis

function hasVariable(name: string): boolean {
  return !asksForPermission() && name in process.env
}

/** Whether an import from the working directory would find the package. */
function isInstalled(name: string): boolean {
  if (asksForPermission()) return false
  // Not imported: not every runtime has these modules, and bundlers would follow require().
  const { createRequire } = process.getBuiltinModule('node:module')
  const { existsSync } = process.getBuiltinModule('node:fs')
  const folders = createRequire(`${process.cwd()}/`).resolve.paths(name) ?? []
  return folders.some((folder) => existsSync(`${folder}/${name}/package.json`))
}

/** Parsers treat the two media types differently, so a test with one of them proves little. */
const BOTH_TYPES = `Test with a plain and with an encrypted order: body parsers treat application/json and text/plain differently, so one can work while the other fails.`

/**
 * Adds to a hint how to fix the mounting in the detected framework. Never throws. Reads the file system: call it only for
 * a request whose body is lost.
 *
 * @param request The request of `node:http`.
 * @param framework The framework's own request, if it has one.
 */
export function addFrameworkHint(hint: string, request: object, framework: object = request): string {
  const fixes = FRAMEWORKS.filter((one) => canTell(() => one.isUsed(request, framework))).map(({ fix }) => fix)
  return [hint, ...fixes, BOTH_TYPES].join('\n\n')
}

/** A hint must not throw: the working directory may not exist any more, and a member may be a getter that throws. */
function canTell(isUsed: () => boolean): boolean {
  try {
    return isUsed()
  } catch {
    return false
  }
}
