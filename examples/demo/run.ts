import type { OrderSyncEvent } from 'alipayhk-order-sync'
import { sendOrder } from './gateway.ts'
import type { Keys } from './keys.ts'
import type { startMerchant } from './merchant.ts'
import { type Scenario, scenarios } from './scenarios.ts'
import { showIntroduction, showRoundTrip, showScenario, showSummary } from './show.ts'

/** Sends all messages to a merchant's server. Returns whether every result was as expected. */
export async function runScenarios(keys: Keys, start: typeof startMerchant): Promise<boolean> {
  const events: OrderSyncEvent[] = []
  const merchant = await start(keys.merchant, (event) => events.push(event))
  try {
    showIntroduction(merchant.url)
    const results: { scenario: Scenario; asExpected: boolean }[] = []
    for (const [index, scenario] of scenarios.entries()) {
      showScenario(index + 1, scenario)
      const roundTrip = await sendOrder(scenario.order, {
        credentials: keys[scenario.sender],
        url: merchant.url,
        ...scenario.options,
      })
      const event = events.at(-1)
      const { kind, code, resultCode } = scenario.expected
      const asExpected =
        events.length === index + 1 &&
        event?.kind === kind &&
        event.code === code &&
        roundTrip.resultCode === resultCode
      showRoundTrip(roundTrip, event, asExpected)
      results.push({ scenario, asExpected })
    }
    showSummary(results)
    return results.every(({ asExpected }) => asExpected)
  } finally {
    await merchant.stop()
  }
}
