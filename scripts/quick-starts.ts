/**
 * The quick starts of the documentation, docs/quick-start/*.md and docs/zh-HK/quick-start/*.md. scripts/generate.ts writes them.
 *
 * Their code is that of examples/, which `npm run test:examples` installs and runs. The same test follows the pages of Express and
 * Next.js from an empty folder.
 */
import { readFileSync } from 'node:fs'

type Language = 'en' | 'zh-HK'

/** A sentence in each language. */
type Text = Readonly<Record<Language, string>>

type Note = Partial<Text> & Pick<Text, 'zh-HK'>

interface QuickStart {
  /** The folder in examples/, and the name of the page. */
  readonly example: string
  readonly page: string
  readonly title: string
  /** The files that the page shows, in this order. The first one creates the handler, the next ones mount it. */
  readonly files: readonly string[]
  /** Why it is mounted in this way. English is absent where a comment in the code says the same: the comments are in English. */
  readonly notes: readonly Note[]
  /** Commands before the server starts, and the one that starts it. */
  readonly build?: string
  readonly start: string
  /** Other ways to mount the handler in the same framework. */
  readonly variants?: readonly { readonly title: Text; readonly files: readonly string[]; readonly text?: Note }[]
}

const QUICK_STARTS: readonly QuickStart[] = [
  {
    example: '02-express',
    page: 'express',
    title: 'Express',
    files: ['order-sync.js', 'server.js'],
    notes: [
      { 'zh-HK': '把 handler 掛載在所有 body parser 之前：簽名是針對原始位元組計算的。' },
      { 'zh-HK': '沒有 `DATABASE_URL` 的話，已處理的訂單只記在記憶體，重新啟動後會忘記。生產環境必須設定它。' },
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
      {
        en: 'The route needs the Node.js runtime, not the Edge runtime.',
        'zh-HK': '這個 route 需要 Node.js runtime，不可以用 Edge runtime。',
      },
      { 'zh-HK': '第一個請求才建立 handler，因為 `next build` 會載入所有 route，那時還沒有密鑰。' },
      {
        en: 'With `output: "standalone"`, see [bundles](../stores.md#bundles).',
        'zh-HK': '用 `output: "standalone"` 打包的話，見 [Bundles](../../stores.md#bundles)（英文）。',
      },
    ],
    build: 'npx next build',
    start: 'npx next start',
    variants: [
      {
        title: { en: 'In the `pages` folder', 'zh-HK': '用 `pages` 資料夾' },
        files: ['pages/api/order-sync.ts'],
        text: {
          en: 'This route has another path than the API page. Give AlipayHK your path, or rewrite the path in your proxy and set `signedPath`.',
          'zh-HK':
            '必須關掉 `pages` 的 body parser。這個 route 的路徑與 API 文件的不同：把你的路徑告訴 AlipayHK，或在代理改寫路徑並設定 `signedPath`。',
        },
      },
    ],
  },
  {
    example: '07-nest',
    page: 'nest',
    title: 'Nest',
    files: ['tsconfig.json', 'order-sync.ts', 'orders.service.ts', 'app.module.ts', 'main-express.ts'],
    notes: [{ 'zh-HK': 'handler 掛載在 Express 上，在 Nest 的 body parser 之前。' }],
    start: 'node --import tsx main-express.ts',
    variants: [
      {
        title: { en: 'In a controller', 'zh-HK': '放在 controller 內' },
        files: ['main-controller.ts'],
        text: { 'zh-HK': '傳入 `rawBody: true` 給 `NestFactory.create()`，並調高 parser 的上限（預設 100 kB）。' },
      },
      {
        title: { en: 'On Fastify', 'zh-HK': '用 Fastify' },
        files: ['main-fastify.ts'],
        text: { 'zh-HK': '你自己的 parser 不受影響。' },
      },
    ],
  },
  {
    example: '04-fastify',
    page: 'fastify',
    title: 'Fastify',
    files: ['order-sync.js', 'server.js'],
    notes: [{ 'zh-HK': 'plugin 只讀取自己的 route 的原始位元組，你的 parser 不受影響。' }],
    start: 'node server.js',
  },
  {
    example: '03-koa',
    page: 'koa',
    title: 'Koa',
    files: ['order-sync.js', 'server.js'],
    notes: [{ 'zh-HK': '把 handler 掛載在所有 body parser 之前：簽名是針對原始位元組計算的。' }],
    start: 'node server.js',
  },
  {
    example: '05-hono',
    page: 'hono',
    title: 'Hono',
    files: ['order-sync.js', 'server.js'],
    notes: [
      {
        en: '`handler.fetch` takes a `Request` and returns a `Response`. It works in the same way on Bun and Deno.',
        'zh-HK': '`handler.fetch` 接收 `Request`，回傳 `Response`。在 Bun 和 Deno 上的用法相同。',
      },
    ],
    start: 'node server.js',
  },
  {
    example: '01-node',
    page: 'node',
    title: 'Plain Node',
    files: ['order-sync.js', 'server.js'],
    notes: [
      {
        en: 'With `DATABASE=order-sync.db`, orders are stored in SQLite. Node 22.13 and later has it built in; on Node 20, run `npm install better-sqlite3`.',
        'zh-HK':
          '設定 `DATABASE=order-sync.db` 的話，已處理的訂單記在 SQLite。Node 22.13 或以上已內置；Node 20 要先執行 `npm install better-sqlite3`。',
      },
      {
        en: 'Node 22 prints a warning that its SQLite is experimental.',
        'zh-HK': 'Node 22 會印出 warning，指它的 SQLite 是實驗功能。',
      },
    ],
    start: 'node server.js',
  },
  {
    example: '08-lambda',
    page: 'lambda',
    title: 'AWS Lambda, Function Compute, SCF',
    files: ['index.js', 'local.js'],
    notes: [
      {
        en: 'Deploy `index.js` behind API Gateway, a load balancer or a function URL. `local.js` runs it on your machine.',
        'zh-HK': '部署 `index.js`，配合 API Gateway、load balancer 或 function URL。`local.js` 在本機執行它。',
      },
      {
        en: 'Give the function a timeout of more than 5 seconds, and a [store](../stores.md) that all instances share.',
        'zh-HK':
          '函式的逾時要長於 handler 的 `timeoutMs`（這裏是 5 秒），並使用所有 instance 共用的 [store](../../stores.md)（英文）。',
      },
      {
        en: 'The same function works on Alibaba Cloud Function Compute 3, Tencent Cloud SCF and Huawei Cloud FunctionGraph. For a web function or a custom runtime, follow [plain Node](node.md), and listen on the port of the platform. See [serverless](../runtimes.md#serverless).',
        'zh-HK':
          '同一個函式可以用在阿里雲 Function Compute 3、騰訊雲 SCF 和華為雲 FunctionGraph。Web 函式或自訂 runtime 是伺服器：跟着 [Plain Node](node.md) 做，並用平台指定的 port。詳見 [Serverless](../../runtimes.md#serverless)（英文）。',
      },
    ],
    start: 'node local.js',
  },
  {
    example: '09-egg',
    page: 'egg',
    title: 'Egg',
    files: ['order-sync.js', 'app/router.js', 'config/config.default.js', 'server.js'],
    notes: [
      {
        en: 'Without the exception for `csrf`, Egg rejects every order with HTTP 403.',
        'zh-HK': '如果這個路徑不豁免 CSRF 檢查，每張訂單都會得到 HTTP 403。',
      },
      {
        en: 'With `egg-scripts`, choose a [store](../stores.md) that several processes share.',
        'zh-HK': '用 `egg-scripts` 的話，請選擇多個 process 可以共用的 [store](../../stores.md)（英文）。',
      },
    ],
    start: 'node server.js',
  },
  {
    example: '10-midway',
    page: 'midway',
    title: 'Midway',
    files: ['tsconfig.json', 'order-sync.ts', 'configuration.ts', 'main.ts'],
    notes: [{ 'zh-HK': 'Midway 的 body parser 可以在 handler 之前執行：它保留 JSON 的原始文字。' }],
    start: 'node --import tsx main.ts',
  },
]

const ORDER =
  '{"tradeNo":"T-1","merchantBizNo":"A-1","orderStatus":"PAID","orderCreateTime":1716331341000,"orderModifyTime":1716331341000,"userId":"U-1","extInfo":{}}'

const SEND = `\`\`\`sh
echo '${ORDER}' > order.json
npx alipayhk-order-sync send --url http://127.0.0.1:3000 --client-id 4Q5Y8W0WSG45P907917 \\
  --private-key alipayhk/private.pem --peer-public-key merchant/public.pem order.json
\`\`\`
`

/** The words that all pages share. */
interface Words {
  readonly title: string
  readonly intro: string
  /** How the name of a file is written above it. */
  readonly file: (name: string) => string
  readonly install: string
  readonly keys: readonly [heading: string, text: string]
  readonly code: string
  readonly start: string
  readonly send: readonly [heading: string, text: string]
  readonly result: string
  readonly next: string
  /** The end of the short pages. */
  readonly shortSend: string
  readonly index: string
}

const WORDS: Readonly<Record<Language, Words>> = {
  en: {
    title: 'Quick start: ',
    intro: 'From an empty folder to a verified order on your machine. You need Node 20.19 or later.',
    file: (name) => `\`${name}\`:`,
    install: 'Install',
    keys: ['Create test keys', 'The first pair is yours. The second pair stands for the keys of AlipayHK.'],
    code: 'Add the code',
    start: 'Start',
    send: ['Send an order, as AlipayHK', 'In another terminal, in the same folder:'],
    result:
      '`send` prints the verified response, with `"resultCode":"SUCCESS"` and `"orderId":"order-A-1"`. Run it again: the server logs `duplicate`, and `onOrder`\ndoes not run.',
    next: `## Next

- [Choose a store](../stores.md) that survives a restart.
- [Test the endpoint](../simulator.md) with duplicates, old events, wrong signatures and a bad network.
- [When a signature fails](../explain.md), and [what each error means](../errors.md).
`,
    shortSend: `## Send an order, as AlipayHK

Create the keys and set the environment variables as in [Hono](hono.md#2-create-test-keys). Start the server, then run in another terminal:

${SEND}
\`send\` prints the verified response, with \`"resultCode":"SUCCESS"\` and \`"orderId":"order-A-1"\`.
`,
    index:
      'Each page starts in an empty folder and ends with a verified order. If you have an application, [mount the handler](../frameworks.md) in it.',
  },
  'zh-HK': {
    title: '快速開始：',
    intro: '由空資料夾開始，到本機收到一張已驗簽的訂單。需要 Node 20.19 或以上。',
    file: (name) => `\`${name}\`：`,
    install: '安裝',
    keys: ['建立測試密鑰', '一對是你（商戶）的，另一對扮演 AlipayHK。'],
    code: '加入程式碼',
    start: '啟動',
    send: ['扮演 AlipayHK 發送訂單', '在另一個終端機、同一個資料夾：'],
    result:
      '`send` 會印出已驗簽的回應，當中有 `"resultCode":"SUCCESS"` 和 `"orderId":"order-A-1"`。再執行一次，伺服器會記錄 `duplicate`：`onOrder`\n沒有再執行。',
    next: `## 接下來

| 要做的事 | 閱讀 |
|---|---|
| 換成重新啟動後不會遺失資料的 store | [Stores](../../stores.md)（英文） |
| 用重複、過時、偽造的訂單測試接口 | [Simulator](../../simulator.md)（英文） |
| 收到 \`INVALID_SIGNATURE\` | [驗簽為何失敗](../signature.md) |
| 查錯誤代碼 | [錯誤代碼](../errors.md) |
| 上線 | [上線清單](../go-live.md) |
`,
    shortSend: `## 扮演 AlipayHK 發送訂單

按照 [Hono](hono.md#2-建立測試密鑰) 的步驟建立密鑰，設定環境變數，然後啟動伺服器。在另一個終端機執行：

${SEND}
\`send\` 會印出已驗簽的回應，當中有 \`"resultCode":"SUCCESS"\` 和 \`"orderId":"order-A-1"\`。
`,
    index:
      '每一頁都由空資料夾開始，到收到一張已驗簽的訂單為止。已有應用程式的話，見 [Mount the handler](../../frameworks.md)（英文）。',
  },
}

/** Pages that have no example: their text is short, and the code that they share is on another page. */
const OTHERS: Readonly<Record<string, { readonly title: string; readonly text: Text }>> = {
  bun: {
    title: 'Bun',
    text: both(
      `\`\`\`js
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { handler } from './order-sync.js'

const server = Bun.serve({
  port: Number(process.env.PORT ?? 3000),
  fetch: (request) =>
    new URL(request.url).pathname === ORDER_SYNC_PATH ? handler.fetch(request) : new Response('Not found', { status: 404 }),
})
console.log(\`listening on http://localhost:\${server.port}\`)
\`\`\``,
      {
        en: [
          'Follow [Hono](hono.md), and start with `bun server.js`. Without a framework, replace `server.js` with these lines:',
          'The adapters for Express, Koa and Fastify work on Bun too. [Runtimes](../runtimes.md) has the differences.',
        ],
        'zh-HK': [
          '跟着 [Hono](hono.md) 做，但用 `bun server.js` 啟動。不用框架的話，把 `server.js` 換成：',
          'Express、Koa 和 Fastify 的 adapter 也可以在 Bun 上用。差異見 [Runtimes](../../runtimes.md)（英文）。',
        ],
      },
    ),
  },
  deno: {
    title: 'Deno',
    text: both(
      `\`\`\`js
import { ORDER_SYNC_PATH } from 'alipayhk-order-sync'
import { handler } from './order-sync.js'

Deno.serve({ port: Number(Deno.env.get('PORT') ?? 3000) }, (request) =>
  new URL(request.url).pathname === ORDER_SYNC_PATH ? handler.fetch(request) : new Response('Not found', { status: 404 }),
)
\`\`\``,
      {
        en: [
          'Follow [Hono](hono.md), and start with `deno run --allow-net --allow-env --allow-read server.js`. Without a framework, replace `server.js` with\nthese lines:',
          `- \`order-sync.js\` reads its settings with \`process.env\`: add \`import process from 'node:process'\` to it.
- An order takes three to six times as much processor time as on Node. Plan for it.
- The library itself needs no \`--allow-env\`. [Runtimes](../runtimes.md) has the other differences.`,
        ],
        'zh-HK': [
          '跟着 [Hono](hono.md) 做，但用 `deno run --allow-net --allow-env --allow-read server.js` 啟動。不用框架的話，把 `server.js`\n換成：',
          `- \`order-sync.js\` 用 \`process.env\` 讀取設定：請加上 \`import process from 'node:process'\`。
- 處理一張訂單所用的 CPU 時間是 Node 的三至六倍，部署時要預留。
- 套件本身不需要 \`--allow-env\`。其他差異見 [Runtimes](../../runtimes.md)（英文）。`,
        ],
      },
    ),
  },
  vercel: {
    title: 'Vercel',
    text: both(
      `\`\`\`js
import { handler } from '../../../../../../order-sync.js'

export const POST = handler.fetch
\`\`\``,
      {
        en: [
          'With Next.js, follow [Next.js](next.md). Without it, write `order-sync.js` as in [Hono](hono.md), and export the handler from\n`api/open/alipay/v1/merchant/order/sync.js`:',
          'Do not export a function `(request, response)`: Vercel parses the body before it calls such a function, and the signature covers the raw bytes.\nFunctions share no memory: use a [store](../stores.md) in a database. `vercel dev` runs the function on your machine.',
        ],
        'zh-HK': [
          '用 Next.js 的話，跟着 [Next.js](next.md) 做。不用的話，`order-sync.js` 與 [Hono](hono.md) 的相同，並在\n`api/open/alipay/v1/merchant/order/sync.js` export handler：',
          '不要 export `(request, response)` 形式的函式：Vercel 會先解析主體，而簽名是針對原始位元組計算的。\n函式之間不共用記憶體：請用資料庫 [store](../../stores.md)（英文）。`vercel dev` 可以在本機執行函式。',
        ],
      },
    ),
  },
  strapi: {
    title: 'Strapi',
    text: both(
      `\`\`\`js
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
\`\`\``,
      {
        en: [
          'Strapi is built on Koa, and its body parser runs before your routes. In `config/middlewares.js`, make the\nparser keep the raw bytes:',
          'The middleware `src/middlewares/order-sync.js` passes orders to the handler:',
        ],
        'zh-HK': [
          'Strapi 建基於 Koa，它的 body parser 在你的 route 之前執行。在 `config/middlewares.js` 讓 parser 保留原始位元組：',
          '`src/middlewares/order-sync.js` 這個 middleware 把訂單交給 handler：',
        ],
      },
      `\`\`\`js
const { ORDER_SYNC_PATH } = require('alipayhk-order-sync')
const { koaOrderSync } = require('alipayhk-order-sync/koa')
const { handler } = require('../order-sync')

module.exports = () => {
  const orderSync = koaOrderSync(handler)
  return (context, next) => (context.path === ORDER_SYNC_PATH ? orderSync(context, next) : next())
}
\`\`\``,
      {
        en: "`src/order-sync.js` creates the handler as in [Koa](koa.md), with `require` and `module.exports`. Strapi listens on port 1337: change the port in the command below.\n\nThe tests run Strapi's parser with Koa and the option above ([runtimes](../runtimes.md#built-on-these)), not a whole Strapi application.",
        'zh-HK':
          '`src/order-sync.js` 像 [Koa](koa.md) 一樣建立 handler，但用 `require` 和 `module.exports`。Strapi 的 port 是 1337：請更改以下指令的 port。\n\n我們測試過 Strapi 的 parser 配合 Koa 和以上選項（[Runtimes](../../runtimes.md#built-on-these)，英文），沒有測試完整的 Strapi 應用程式。',
      },
    ),
  },
}

/** A text around a block of code, in each language; and what follows. */
function both(
  code: string,
  around: Readonly<Record<Language, readonly [before: string, after: string]>>,
  secondCode?: string,
  end?: Text,
): Text {
  const textIn = (language: Language) => {
    const [before, after] = around[language]
    return [
      before,
      code,
      after,
      ...(secondCode === undefined ? [] : [secondCode]),
      ...(end ? [end[language]] : []),
    ].join('\n\n')
  }
  return { en: textIn('en'), 'zh-HK': textIn('zh-HK') }
}

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

function pageOf(start: QuickStart, language: Language): string {
  const folder = `examples/${start.example}`
  const words = WORDS[language]
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
    const code = LANGUAGES[name.slice(name.lastIndexOf('.') + 1)] ?? ''
    return `${words.file(name)}\n\n\`\`\`${code}\n${readFileSync(`${folder}/${name}`, 'utf8').trimEnd()}\n\`\`\`\n`
  }
  const types =
    Object.keys(devDependencies).length > 0 ? [`npm install --save-dev ${withVersion(devDependencies)}`] : []
  const paragraph = (text: Note | undefined) => (text?.[language] === undefined ? '' : `\n${text[language]}\n`)
  const variants = (start.variants ?? []).map(
    ({ title, files, text }) => `## ${title[language]}\n\n${files.map(file).join('\n')}${paragraph(text)}`,
  )
  const notes = start.notes.flatMap((note) => note[language] ?? []).map((note) => `- ${note}`)
  return `# ${words.title}${start.title}

${words.intro}

## 1. ${words.install}

\`\`\`sh
npm init --yes
${TYPE_COMMANDS[type ?? 'none'] ?? ''}npm install ${withVersion(dependencies)}
${[...types, ''].join('\n')}\`\`\`

## 2. ${words.keys[0]}

${words.keys[1]}

\`\`\`sh
npx alipayhk-order-sync keygen --out merchant
npx alipayhk-order-sync keygen --out alipayhk
\`\`\`

## 3. ${words.code}

${start.files.map(file).join('\n')}
${notes.length > 0 ? `${notes.join('\n')}\n\n` : ''}## 4. ${words.start}

\`\`\`sh
export CLIENT_ID=4Q5Y8W0WSG45P907917
export MERCHANT_PRIVATE_KEY="$(cat merchant/private.pem)"
export ALIPAYHK_PUBLIC_KEY="$(cat alipayhk/public.pem)"
${start.build === undefined ? '' : `${start.build}\n`}${start.start}
\`\`\`

## 5. ${words.send[0]}

${words.send[1]}

${SEND}
${words.result}

${variants.join('\n')}${variants.length > 0 ? '\n' : ''}${words.next}`
}

const shortPageOf = (page: string, language: Language) => {
  const { title, text } = OTHERS[page] ?? { title: page, text: { en: '', 'zh-HK': '' } }
  return `# ${WORDS[language].title}${title}\n\n${text[language]}\n\n${WORDS[language].shortSend}`
}

const LIST = [...QUICK_STARTS, ...Object.entries(OTHERS).map(([page, { title }]) => ({ page, title }))]
  .map(({ page, title }) => `- [${title}](${page}.md)`)
  .join('\n')

const INDEXES: Text = {
  en: `# Quick starts

${WORDS.en.index}

${LIST}
`,
  'zh-HK': `# 快速開始

${WORDS['zh-HK'].index}

${LIST}
`,
}

const FOLDERS: Text = { en: 'docs/quick-start', 'zh-HK': 'docs/zh-HK/quick-start' }

const pagesIn = (language: Language) => ({
  [`${FOLDERS[language]}/index.md`]: INDEXES[language],
  ...Object.fromEntries(
    QUICK_STARTS.map((start) => [`${FOLDERS[language]}/${start.page}.md`, pageOf(start, language)]),
  ),
  ...Object.fromEntries(
    Object.keys(OTHERS).map((page) => [`${FOLDERS[language]}/${page}.md`, shortPageOf(page, language)]),
  ),
})

/** The pages by their path. */
export const quickStarts: Readonly<Record<string, string>> = { ...pagesIn('en'), ...pagesIn('zh-HK') }
