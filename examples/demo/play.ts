import type { OrderSyncEvent } from 'alipayhk-order-sync'
import { sendOrder } from './gateway.ts'
import type { Keys } from './keys.ts'
import type { startMerchant } from './merchant.ts'
import { showExchange, showOpening, showScene, showSummary } from './show.ts'
import { type Scene, story } from './story.ts'

/** Sends all messages to a merchant's server. Returns whether every result was as expected. */
export async function play(keys: Keys, start: typeof startMerchant): Promise<boolean> {
  const events: OrderSyncEvent[] = []
  const merchant = await start(keys.merchant, (event) => events.push(event))
  try {
    showOpening(merchant.url)
    const results: { scene: Scene; asExpected: boolean }[] = []
    for (const [index, scene] of story.entries()) {
      showScene(index + 1, scene)
      const exchange = await sendOrder(scene.order, {
        credentials: keys[scene.sender],
        url: merchant.url,
        ...scene.options,
      })
      const event = events.at(-1)
      const { kind, code, resultCode } = scene.expected
      const asExpected =
        events.length === index + 1 && event?.kind === kind && event.code === code && exchange.resultCode === resultCode
      showExchange(exchange, event, asExpected)
      results.push({ scene, asExpected })
    }
    showSummary(results)
    return results.every(({ asExpected }) => asExpected)
  } finally {
    await merchant.stop()
  }
}
