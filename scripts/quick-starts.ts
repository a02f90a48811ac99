/**
 * The quick starts of the documentation, docs/quick-start/*.md. scripts/generate.ts writes them.
 *
 * Their code is that of examples/, which `npm run test:examples` installs and runs. The same test follows the pages of Express and
 * Next.js from an empty folder.
 */
import { readFileSync } from 'node:fs'

interface QuickStart {
  /** The folder in examples/, and the name of the page. */
  readonly example: string
  readonly page: string
  readonly title: string
  /** The files that the page shows, in this order. The first one creates the handler, the next ones mount it. */
  readonly files: readonly string[]
  /** Why it is mounted in this way. */
  readonly notes: readonly string[]
  /** Commands before the server starts, and the one that starts it. */
  readonly build?: string
  readonly start: string
  /** Other ways to mount the handler in the same framework. */
  readonly variants?: readonly { readonly title: string; readonly files: readonly string[]; readonly text: string }[]
}

const BEFORE_PARSER = 'Mount the handler before any body parser: the signature covers the raw bytes.'

const QUICK_STARTS: readonly QuickStart[] = [
  {
    example: '02-express',
    page: 'express',
    title: 'Express',
    files: ['order-sync.js', 'server.js'],
    notes: [
      BEFORE_PARSER,
      'Without `DATABASE_URL`, processed orders are remembered in memory, and a restart forgets them. Set it in production.',
    ],
    start: 'node server.js',
  },
  {
    example: '06-next',
    page: 'next',
    title: 'Next.js',
    files: [
      'tsconfig.json',
      'lib/order-sync.ts',
      'app/api/open/alipay/v1/merchant/order/sync/route.ts',
      'app/health/route.ts',
    ],
    notes: [
      'The route needs the Node.js runtime, not the Edge runtime.',
      'With `output: "standalone"`, see [bundles](../stores.md#bundles).',
    ],
    build: 'npx next build',
    start: 'npx next start',
    variants: [
      {
        title: 'In the `pages` folder',
        files: ['pages/api/order-sync.ts'],
        text: 'The body parser of `pages` must be off. The path differs from that of the API: tell AlipayHK your path, or rewrite it and set `signedPath`.',
      },
    ],
  },
  {
    example: '07-nest',
    page: 'nest',
    title: 'Nest',
    files: ['tsconfig.json', 'order-sync.ts', 'orders.service.ts', 'app.module.ts', 'main-express.ts'],
    notes: ['The handler is mounted on the Express application, before the body parser of Nest.'],
    start: 'node --import tsx main-express.ts',
    variants: [
      {
        title: 'In a controller',
        files: ['main-controller.ts'],
        text: 'Pass `rawBody: true` to `NestFactory.create()`, and raise the limit of the parser, which is 100 kB.',
      },
      { title: 'On Fastify', files: ['main-fastify.ts'], text: 'Your own parsers keep working.' },
    ],
  },
  {
    example: '04-fastify',
    page: 'fastify',
    title: 'Fastify',
    files: ['order-sync.js', 'server.js'],
    notes: ['The plugin reads the raw bytes of its own route only. Your parsers keep working.'],
    start: 'node server.js',
  },
  {
    example: '03-koa',
    page: 'koa',
    title: 'Koa',
    files: ['order-sync.js', 'server.js'],
    notes: [BEFORE_PARSER],
    start: 'node server.js',
  },
  {
    example: '05-hono',
    page: 'hono',
    title: 'Hono',
    files: ['order-sync.js', 'server.js'],
    notes: ['`handler.fetch` takes a `Request` and returns a `Response`. It works in the same way on Bun and Deno.'],
    start: 'node server.js',
  },
  {
    example: '01-node',
    page: 'node',
    title: 'Plain Node',
    files: ['order-sync.js', 'server.js'],
    notes: [
      'With `DATABASE=order-sync.db`, orders are stored in SQLite. Node 22.13 and later has it built in; on Node 20, run `npm install better-sqlite3`.',
      'Node 22 prints a warning that its SQLite is experimental.',
    ],
    start: 'node server.js',
  },
  {
    example: '08-lambda',
    page: 'lambda',
    title: 'AWS Lambda, Function Compute, SCF',
    files: ['index.js', 'local.js'],
    notes: [
      '`index.js` is the function, for API Gateway, a load balancer or a function URL. `local.js` runs it on your machine: it turns each request into an event.',
      'Give the function a timeout of more than 5 seconds. Each instance has a memory of its own: use a [store](../stores.md) that all share.',
      'The same function works on Alibaba Cloud Function Compute 3, Tencent Cloud SCF and Huawei Cloud FunctionGraph. A web function, or a custom runtime, is a server: follow [plain Node](node.md), and listen on the port that the platform expects. See [serverless](../runtimes.md#serverless).',
    ],
    start: 'node local.js',
  },
  {
    example: '09-egg',
    page: 'egg',
    title: 'Egg',
    files: ['order-sync.js', 'app/router.js', 'config/config.default.js', 'server.js'],
    notes: [
      'The path is excluded from the CSRF check, which would refuse every order with 403, and from the body parser.',
      'With `egg-scripts`, choose a [store](../stores.md) that several processes share.',
    ],
    start: 'node server.js',
  },
  {
    example: '10-midway',
    page: 'midway',
    title: 'Midway',
    files: ['tsconfig.json', 'order-sync.ts', 'configuration.ts', 'main.ts'],
    notes: ['The body parser of Midway may run before the handler: it keeps the raw text of JSON.'],
    start: 'node --import tsx main.ts',
  },
]

/** Pages that have no example: their text is short, and the code that they share is on another page. */
const OTHERS: Readonly<Record<string, string>> = {
  bun: `# Quick start: Bun

Follow [Hono](hono.md) with \`bun\` in place of \`node\`: \`bun server.js\`. Without a framework, replace \`server.js\` by these lines:

\`\`\`js
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { handler } from './order-sync.js'

const server = Bun.serve({
  port: Number(process.env.PORT ?? 3000),
  fetch: (request) =>
    new URL(request.url).pathname === ORDER_SYNC_PATH ? handler.fetch(request) : new Response('Not found', { status: 404 }),
})
console.log(\`listening on http://localhost:\${server.port}\`)
\`\`\`

Express, Koa and Fastify work on Bun with their adapters too. Private keys are used on the event loop: Bun has no decryption threads. See
[runtimes](../runtimes.md).
`,
  deno: `# Quick start: Deno

Follow [Hono](hono.md) with \`deno run --allow-net --allow-env --allow-read server.js\` in place of \`node server.js\`. Without a framework, replace
\`server.js\` by these lines:

\`\`\`js
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { handler } from './order-sync.js'

Deno.serve({ port: Number(Deno.env.get('PORT') ?? 3000) }, (request) =>
  new URL(request.url).pathname === ORDER_SYNC_PATH ? handler.fetch(request) : new Response('Not found', { status: 404 }),
)
\`\`\`

- \`order-sync.js\` reads its settings with \`process.env\`: add \`import process from 'node:process'\` to it.
- Deno takes three to six times the processor time of Node for an order. Size your deployment for it.
- The library itself needs no \`--allow-env\`. See [runtimes](../runtimes.md) for what else differs.
`,
  vercel: `# Quick start: Vercel

With Next.js, follow [Next.js](next.md). A function without Next.js exports the handler. The file \`api/open/alipay/v1/merchant/order/sync.js\`:

\`\`\`js
import { handler } from '../../../../../../order-sync.js'

export const POST = handler.fetch
\`\`\`

\`order-sync.js\` is that of [Hono](hono.md). Do not export a function \`(request, response)\`: Vercel parses its body before your code runs, and the
signature covers the raw bytes. Functions share no memory: use a [store](../stores.md) in a database.
`,
  strapi: `# Quick start: Strapi

Strapi is built on Koa, and its body parser runs before your routes. Make the parser keep the raw bytes, in \`config/middlewares.js\`:

\`\`\`js
module.exports = [
  'strapi::logger',
  'strapi::errors',
  'strapi::security',
  'strapi::cors',
  'strapi::poweredBy',
  'strapi::query',
  { name: 'strapi::body', config: { includeUnparsed: true } },
  'global::order-sync',
  'strapi::session',
  'strapi::favicon',
  'strapi::public',
]
\`\`\`

The middleware \`src/middlewares/order-sync.js\` passes orders to the handler:

\`\`\`js
const { ORDER_SYNC_PATH } = require('alipayhk-order-sync')
const { koaOrderSync } = require('alipayhk-order-sync/koa')
const { handler } = require('../order-sync')

module.exports = () => {
  const orderSync = koaOrderSync(handler)
  return (context, next) => (context.path === ORDER_SYNC_PATH ? orderSync(context, next) : next())
}
\`\`\`

\`src/order-sync.js\` creates the handler as in [Koa](koa.md), with \`require\` and \`module.exports\`. The parser was tested alone, with Koa and the option above
([runtimes](../runtimes.md#built-on-these)); a whole Strapi application was not.
`,
}

const ORDER =
  '{"tradeNo":"T-1","merchantBizNo":"A-1","orderStatus":"PAID","orderCreateTime":1716331341000,"orderModifyTime":1716331341000,"userId":"U-1","extInfo":{}}'

interface Manifest {
  readonly type?: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

const LANGUAGES: Readonly<Record<string, string>> = { js: 'js', ts: 'ts no-check', json: 'json' }

/** `npm init` of npm 11 writes "type": "commonjs", with which Next.js refuses ES modules. */
const TYPE_COMMANDS: Readonly<Record<string, string>> = {
  module: 'npm pkg set type=module\n',
  none: 'npm pkg delete type\n',
}

function pageOf(start: QuickStart): string {
  const folder = `examples/${start.example}`
  const {
    type,
    dependencies,
    devDependencies = {},
  } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Manifest
  const withVersion = (packages: Readonly<Record<string, string>>) =>
    Object.entries(packages)
      .map(([name, range]) =>
        name === 'alipayhk-order-sync' ? name : `${name}@${range.replace(/^\^(\d+)\..*/, '$1')}`,
      )
      .join(' ')
  const file = (name: string) => {
    const language = LANGUAGES[name.slice(name.lastIndexOf('.') + 1)] ?? ''
    return `\`${name}\`:\n\n\`\`\`${language}\n${readFileSync(`${folder}/${name}`, 'utf8').trimEnd()}\n\`\`\`\n`
  }
  const types =
    Object.keys(devDependencies).length > 0 ? [`npm install --save-dev ${withVersion(devDependencies)}`] : []
  const variants = (start.variants ?? []).map(
    ({ title, files, text }) => `## ${title}\n\n${files.map(file).join('\n')}\n${text}\n`,
  )
  return `# Quick start: ${start.title}

From an empty folder to a verified order on your machine. You need Node 20.19 or later.

## 1. Install

\`\`\`sh
npm init --yes
${TYPE_COMMANDS[type ?? 'none'] ?? ''}npm install ${withVersion(dependencies)}
${[...types, ''].join('\n')}\`\`\`

## 2. Create test keys

One pair is yours. The other one plays AlipayHK.

\`\`\`sh
npx alipayhk-order-sync keygen --out merchant
npx alipayhk-order-sync keygen --out alipayhk
\`\`\`

## 3. Add the code

${start.files.map(file).join('\n')}
${start.notes.map((note) => `- ${note}`).join('\n')}

## 4. Start

\`\`\`sh
export CLIENT_ID=4Q5Y8W0WSG45P907917
export MERCHANT_PRIVATE_KEY="$(cat merchant/private.pem)"
export ALIPAYHK_PUBLIC_KEY="$(cat alipayhk/public.pem)"
${start.build === undefined ? '' : `${start.build}\n`}${start.start}
\`\`\`

## 5. Send an order, as AlipayHK

In another terminal, in the same folder:

\`\`\`sh
echo '${ORDER}' > order.json
npx alipayhk-order-sync send --url http://127.0.0.1:3000 --client-id 4Q5Y8W0WSG45P907917 \\
  --private-key alipayhk/private.pem --peer-public-key merchant/public.pem order.json
\`\`\`

\`send\` prints the verified response, with \`"resultCode":"SUCCESS"\` and \`"orderId":"order-A-1"\`. Run it again: the server logs \`duplicate\`, and \`onOrder\`
does not run.

${variants.join('\n')}${variants.length > 0 ? '\n' : ''}## Next

- [Choose a store](../stores.md) that survives a restart.
- [Test the endpoint](../simulator.md) with duplicates, old events, wrong signatures and a bad network.
- [When a signature fails](../explain.md), and [what each error means](../errors.md).
`
}

const rowOf = (page: string, title: string) => `| [${title}](${page}.md) |`

const INDEX = `# Quick starts

Each page starts in an empty folder and ends with a verified order.

| framework |
|---|
${QUICK_STARTS.map(({ page, title }) => rowOf(page, title)).join('\n')}
${Object.entries(OTHERS)
  .map(([page, text]) => rowOf(page, text.split('\n')[0]?.replace('# Quick start: ', '') ?? page))
  .join('\n')}

[Mount the handler](../frameworks.md) has only the lines that differ.
`

/** The pages by their path. */
export const quickStarts: Readonly<Record<string, string>> = {
  'docs/quick-start/index.md': INDEX,
  ...Object.fromEntries(QUICK_STARTS.map((start) => [`docs/quick-start/${start.page}.md`, pageOf(start)])),
  ...Object.fromEntries(Object.entries(OTHERS).map(([page, text]) => [`docs/quick-start/${page}.md`, text])),
}
