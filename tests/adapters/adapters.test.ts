import { toNodeListener } from '../../src/adapters/node.ts'
import { onHttp } from './mounts.ts'
import { describeAdapter } from './suite.ts'

describeAdapter('node:http', { ways: { alone: (handler) => onHttp(toNodeListener(handler)) } })
