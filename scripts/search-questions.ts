/** A question, and the pages or sections that answer it, such as `keys` or `keys#rotate-keys`. */
export type SearchQuestion = readonly [question: string, ...answers: string[]]

/**
 * Questions as developers type them. The address above each is the thread where somebody asked it about another SDK.
 * scripts/check-site.ts looks for each in the site's own search: one of its answers must be among the first three hits.
 */
export const SEARCH_QUESTIONS: readonly SearchQuestion[] = [
  // Signatures that fail
  // https://github.com/alipay/alipay-sdk-nodejs-all/issues/68
  ['why is my signature false', 'explain'],
  // https://github.com/GetStream/stream-chat-js/issues/714
  ['verify always return false', 'explain'],
  // https://github.com/octokit/webhooks.js/issues/889
  ['signature does not match', 'explain'],
  // https://github.com/AntonioErdeljac/next13-ai-saas/issues/23
  ['signature works on local but not in production', 'explain', 'proxies'],
  // https://github.com/fym201/alipay-node-sdk/issues/18
  ['signature fails only with chinese characters', 'explain#the-causes'],
  // https://github.com/octokit/webhooks.js/issues/76
  ['JSON.stringify changes the signature', 'explain#the-causes', 'raw-body'],
  // https://github.com/palantir/go-githubapp/issues/625
  ['invalid signature behind nginx', 'proxies'],
  // https://github.com/Yoctol/bottender/issues/815
  ['nginx removes the /api prefix from the path', 'proxies'],

  // The raw body
  // https://github.com/stripe/stripe-node/issues/1254
  ['signature verification failed with express.json', 'raw-body', 'frameworks#express'],
  // https://github.com/vercel/next.js/issues/60002
  [
    'how to get raw body in next.js app router',
    'raw-body',
    'quick-start/next',
    'frameworks#nextjs-hono-bun-deno-and-other-requestresponse-servers',
  ],
  // https://github.com/golevelup/nestjs/issues/733
  ['nestjs rawBody is undefined', 'raw-body', 'quick-start/nest'],
  // https://github.com/stripe/stripe-node/issues/1768
  ['raw body lambda api gateway', 'raw-body', 'quick-start/lambda', 'runtimes#serverless'],
  // https://github.com/fastify/fastify/issues/5491
  ['fastify raw body only for one route', 'raw-body', 'quick-start/fastify'],
  // https://github.com/honojs/hono/issues/3083
  ['does hono change the request body', 'raw-body', 'quick-start/hono'],
  // https://github.com/supersheep/wechat-pay/issues/48
  ['egg rawBody', 'raw-body', 'quick-start/egg', 'runtimes#built-on-these'],
  // https://github.com/devinstewart/sns-payload-validator/issues/51
  ['can i use it in a cloudflare worker', 'runtimes#runtimes'],
  // https://github.com/golevelup/nestjs/issues/1137
  ['does it run on bun', 'quick-start/bun', 'runtimes#runtimes'],

  // Keys
  // https://github.com/fym201/alipay-node-sdk/issues/2
  ['should i use pkcs1 or pkcs8', 'keys#formats'],
  // https://github.com/box/box-node-sdk/issues/259
  ['private key in environment variable newline', 'keys#formats'],
  // https://github.com/TheNorthMemory/wechatpay-axios-plugin/issues/13
  ['PEM no start line', 'keys#pem-routines-no-start-line-and-other-errors-of-openssl', 'keys#when-a-key-is-refused'],
  // https://github.com/fym201/alipay-node-sdk/issues/5
  ['which public key, mine or alipay', 'keys#which-public-key-goes-where', 'before-you-start'],
  // https://github.com/octokit/webhooks.js/issues/770
  ['how to rotate key without downtime', 'keys#rotate-keys', 'keys#rotate-your-key', 'keys#rotate-alipayhks-key'],
  // https://github.com/documenso/documenso/issues/1726
  ['sign with AWS KMS instead of key file', 'kms', 'keys#keys-in-a-kms-or-hsm'],
  // https://github.com/klover2/wechatpay-node-v3-ts/issues/65
  ['can not decrypt the body', 'encryption', 'errors#protocolerror', 'errors#err_key_use'],
  // https://github.com/stripe/stripe-node/issues/407
  ['timestamp outside the tolerance', 'time'],

  // Before the first call
  // https://github.com/ss098/payment/issues/2
  ['where do I get the Client-Id', 'before-you-start'],
  // https://github.com/alipay/alipay-sdk-nodejs-all/issues/66
  ['how to use sandbox', 'before-you-start'],
  // https://github.com/fzlee/alipay/issues/156
  ['what is the url of the test environment', 'before-you-start', 'protocol#1-endpoint'],
  // https://github.com/paypal/PayPal-Ruby-SDK/issues/105
  ['test callback on localhost', 'testing', 'simulator', 'before-you-start'],
  // https://github.com/VivaPayments/API/issues/2322
  ['ngrok', 'testing', 'before-you-start'],

  // Events that come again, late, or not at all
  // https://github.com/eyeson-team/api/issues/103
  ['same order came twice', 'idempotency'],
  // https://github.com/w7corp/easywechat/issues/1911
  ['callback comes again and again', 'idempotency'],
  // https://github.com/stellarBank/StellarBank/issues/39
  ['two requests at same time processed twice', 'idempotency', 'stores#exactly-once'],
  // https://github.com/paypal/mirakl-hyperwallet-connector/issues/35
  ['old status overwrites new status', 'idempotency'],
  // https://github.com/stripe/stripe-cli/issues/418
  ['events arrive in wrong order', 'idempotency'],
  // https://github.com/saleor/saleor-docs/issues/977
  ['how often does AlipayHK retry', 'before-you-start', 'idempotency'],
  // https://github.com/fenilsonani/email-server/issues/36
  [
    'are orders lost when my server is down',
    'deployment#shut-down-without-losing-an-order',
    'idempotency',
    'process-again',
  ],
  // https://github.com/balanced/balanced-dashboard/issues/927
  ['how to replay a missed order', 'process-again'],
  // https://github.com/huggingface/dataset-viewer/issues/2651
  ['respond fast and process in background', 'verify-request', 'frameworks#your-own-queue'],
  // https://github.com/jenkinsci/generic-webhook-trigger-plugin/issues/210
  ['onOrder takes longer than 10 seconds', 'idempotency#when-onorder-takes-long', 'errors#handlererror'],

  // Sending
  // https://github.com/stripe/stripe-node/issues/558
  [
    'is it safe to send again after a timeout',
    'send#after-an-error-when-it-is-safe-to-send-again',
    'protocol#62-retries',
    'errors#deliveryerror',
  ],
  // https://github.com/nodejs/undici/issues/1350
  ['set a proxy for fetch', 'send#through-a-proxy'],
  // https://github.com/WPTechInnovation/worldpay-within-sdk/issues/96
  ['is amount in cents', 'protocol#52-amounts'],

  // Tests
  // https://github.com/redwoodjs/example-store-stripe/pull/20
  ['mock the client in jest', 'testing'],
  // https://github.com/stripe/stripe-node/issues/601
  ['generate a test signature', 'testing', 'simulator', 'command-line'],

  // Production
  // https://github.com/cashfree/cashfree-pg-sdk-nodejs/issues/76
  ['different keys for each merchant', 'multi-tenant'],
  // https://github.com/bitrix24/b24jssdk/issues/52
  ['how do I log the body', 'events', 'console'],
  // https://github.com/gitpod-io/gitpod/issues/15202
  ['which alerts should I set', 'observability'],
  // https://github.com/kubernetes/kubernetes/issues/43576
  ['requests lost during rolling update', 'deployment', 'health#shut-down'],
  // https://github.com/wechatpay-apiv3/wechatpay-go/issues/22
  ['only verify the callback, no handler', 'verify-request'],
]

/** Words that developers look for. Written from experience. */
export const SEARCH_WORDS: readonly SearchQuestion[] = [
  ['mock the client', 'testing'],
  ['safe to send again', 'send#after-an-error-when-it-is-safe-to-send-again'],
  ['which database should I use', 'stores'],
  ['how to reject an order', 'errors#orderrefusederror', 'errors#result-codes'],
  ['key rotation', 'keys'],
  ['sandbox', 'before-you-start'],
  ['rotate', 'keys'],
  ['proxy', 'proxies', 'send'],
  ['nginx', 'proxies'],
  ['duplicate', 'idempotency', 'protocol', 'events'],
  ['idempotency', 'idempotency', 'protocol'],
  ['raw body', 'raw-body', 'frameworks'],
  ['signature invalid', 'explain', 'errors', 'protocol'],
  ['why does the signature fail', 'explain'],
  ['express.json body parser', 'frameworks', 'raw-body', 'quick-start/express'],
  ['express', 'quick-start/express', 'frameworks'],
  ['next.js', 'quick-start/next', 'frameworks'],
  ['nest rawBody', 'quick-start/nest', 'raw-body', 'runtimes'],
  ['lambda', 'quick-start/lambda', 'runtimes', 'frameworks'],
  ['vercel', 'quick-start/vercel', 'runtimes'],
  ['cloudflare workers', 'runtimes'],
  ['private key format', 'keys'],
  ['PKCS#8', 'keys'],
  ['key fingerprint', 'keys', 'before-you-start', 'command-line'],
  ['KMS', 'keys', 'kms'],
  ['clock skew', 'time', 'observability', 'events'],
  ['milliseconds', 'time', 'protocol'],
  ['timeout', 'outbox', 'errors', 'send', 'deployment', 'protocol', 'stores'],
  ['retry', 'send', 'protocol', 'outbox', 'errors'],
  ['out of order events', 'idempotency', 'protocol', 'outbox', 'events'],
  ['exactly once', 'stores', 'idempotency'],
  ['postgres', 'stores', 'outbox', 'orm'],
  ['redis', 'stores'],
  ['prisma', 'orm'],
  ['transaction', 'orm', 'stores', 'outbox'],
  ['migration', 'stores', 'database', 'orm'],
  ['encrypt', 'encryption', 'protocol'],
  ['AES key size', 'encryption', 'protocol'],
  ['health check', 'health'],
  ['graceful shutdown', 'deployment', 'health'],
  ['kubernetes', 'health', 'deployment', 'proxies'],
  ['opentelemetry', 'observability'],
  ['alert', 'observability', 'go-live', 'events', 'time'],
  ['test without alipay', 'testing', 'simulator', 'before-you-start'],
  ['simulate', 'simulator', 'command-line'],
  ['multiple merchants', 'multi-tenant', 'outbox'],
  ['process an order again', 'process-again'],
  ['order lost after crash', 'outbox', 'idempotency', 'stores', 'errors'],
  ['send many orders', 'bulk'],
  ['ERR_BODY_PARSED', 'errors', 'runtimes', 'raw-body'],
  ['UNKNOWN_EXCEPTION', 'protocol', 'errors', 'events'],
  ['customer data in logs', 'events', 'security-model', 'observability', 'security', 'errors', 'console'],
  ['java php python', 'other-languages'],
]

/** Questions in Chinese, as above. */
export const CHINESE_QUESTIONS: readonly SearchQuestion[] = [
  // https://github.com/alipay/alipay-sdk-nodejs-all/issues/30
  ['驗簽一直返回 false', 'zh-HK/signature'],
  // https://github.com/alipay/alipay-easysdk/issues/237
  ['驗簽失敗怎麼辦', 'zh-HK/signature'],
  // https://github.com/fym201/alipay-node-sdk/issues/18
  ['有中文就驗簽失敗', 'zh-HK/signature'],
  // https://github.com/alipay/alipay-sdk-nodejs-all/issues/55
  ['express 的 req.body 驗簽不通過', 'zh-HK/signature', 'zh-HK/quick-start/express'],
  // https://github.com/fym201/alipay-node-sdk/issues/5
  ['用商戶公鑰還是 AlipayHK 公鑰', 'zh-HK/before-you-start', 'zh-HK/go-live'],
  // https://github.com/fym201/alipay-node-sdk/issues/2
  ['私鑰用 PKCS1 還是 PKCS8', 'zh-HK/before-you-start'],
  // https://github.com/ss098/payment/issues/2
  ['Client-Id 在哪裏取得', 'zh-HK/before-you-start'],
  // https://github.com/alipay/alipay-sdk-nodejs-all/issues/66
  ['如何使用沙箱環境', 'zh-HK/before-you-start'],
  // https://github.com/woocommerce/woocommerce-paypal-payments/issues/320
  ['本機怎樣測試回調', 'zh-HK/before-you-start', 'zh-HK/quick-start/express'],
  // https://github.com/mollie/api-documentation/issues/336
  ['回調會重試多少次', 'zh-HK/before-you-start'],
  // https://github.com/yansongda/pay/issues/685
  ['同一張訂單收到兩次', 'zh-HK/idempotency'],
  // https://github.com/w7corp/easywechat/issues/1911
  ['支付成功後一直重複通知', 'zh-HK/idempotency'],
  // https://github.com/stripe/stripe-cli/issues/418
  ['事件次序錯亂', 'zh-HK/idempotency'],
  // https://github.com/klover2/wechatpay-node-v3-ts/issues/65
  ['回調解密失敗', 'zh-HK/errors'],
  // https://github.com/stripe/stripe-node/issues/407
  ['伺服器時間不準', 'zh-HK/signature', 'zh-HK/go-live'],
  // https://github.com/palantir/go-githubapp/issues/625
  ['nginx 反向代理之後驗簽失敗', 'zh-HK/signature', 'zh-HK/go-live'],
  // https://github.com/octokit/webhooks.js/issues/770
  ['怎樣輪換密鑰', 'zh-HK/go-live'],
]
