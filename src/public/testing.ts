/**
 * For your tests: keys, orders, peers that simulate AlipayHK, and the test cases for your own store.
 *
 * @packageDocumentation
 */

export { type StoreCase, type StoreCaseDatabase, storeCases } from '../testing/store-cases.ts'
export type { TestFault } from '../testing/tamper.ts'
export { createTestContext, createTransactionDouble, type TransactionDouble } from '../testing/test-context.ts'
export {
  createTestCredentials,
  createTestKeys,
  type TestCredentials,
  type TestKeyPair,
  type TestKeys,
} from '../testing/test-keys.ts'
export { createTestOrder } from '../testing/test-order.ts'
export {
  createTestPeer,
  type TestPeer,
  type TestPeerOptions,
  type TestRequestOptions,
  type TestResponse,
  type TestTarget,
} from '../testing/test-peer.ts'
export {
  createTestReceiver,
  type ReceivedTestRequest,
  type ReceiverResponse,
  type TestReceiver,
  type TestReceiverOptions,
  type TestReceiverServer,
} from '../testing/test-receiver.ts'

// The simulator: sends what AlipayHK, the network and attackers can send, and reports on the responses.

export { formatJUnitReport, formatReport } from '../testing/simulator/format-report.ts'
export type { ConformanceReport, Finding, RuleReport } from '../testing/simulator/report.ts'
export type { Rule, RuleId } from '../testing/simulator/rules.ts'
export type {
  Alike,
  Content,
  Delivery,
  Expectation,
  HalfSent,
  HeaderForm,
  Pause,
  RetryPlan,
  Scenario,
  SimulatedFault,
  Step,
  Together,
} from '../testing/simulator/scenario.ts'
export { SCENARIOS, type ScenarioName } from '../testing/simulator/scenarios.ts'
export { createSimulator, type Simulator, type SimulatorOptions } from '../testing/simulator/simulator.ts'
