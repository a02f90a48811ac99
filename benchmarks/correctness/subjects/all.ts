import { alipaySdk } from './alipay-sdk.ts'
import { nodeIdempotency } from './node-idempotency.ts'
import { octokit } from './octokit.ts'
import { ours } from './ours.ts'
import { installPeers } from './peer.ts'
import { powertools } from './powertools.ts'
import { standardWebhooks, svix } from './standard-webhooks.ts'
import { stripe } from './stripe.ts'
import type { Subject } from './subject.ts'
import { tern } from './tern.ts'
import { wechatpayAxiosPlugin } from './wechatpay-axios-plugin.ts'
import { wechatpayNodeV3 } from './wechatpay-node-v3.ts'

/** Installs and loads every library, in the order of the table. */
export async function loadSubjects(): Promise<Subject[]> {
  installPeers()
  return [
    ours,
    alipaySdk(),
    wechatpayNodeV3(),
    wechatpayAxiosPlugin(),
    stripe(),
    await octokit(),
    standardWebhooks(),
    await svix(),
    tern(),
    nodeIdempotency(),
    await powertools(),
  ]
}
