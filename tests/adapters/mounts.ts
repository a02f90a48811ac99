import { createServer, type RequestListener } from 'node:http'
import { listen } from '../support/http.ts'
import type { Served } from './suite.ts'
export const onHttp = (listener: RequestListener): Promise<Served> => listen(createServer(listener))
