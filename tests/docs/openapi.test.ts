import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, test } from 'vitest'
import { RESULT_CODES } from '../../src/result-codes.ts'
import { read } from '../support/project.ts'

const document = () => JSON.parse(read('docs/openapi.json'))

test('docs/openapi.json is valid OpenAPI 3.1, and a broken one is not', async () => {
  expect(await new Validator().validate(document())).toMatchObject({ valid: true })
  const broken = document()
  broken.paths['/api/open/alipay/v1/merchant/order/sync'].post.responses = []
  expect(await new Validator().validate(broken)).toMatchObject({ valid: false })
})

test('it has the result codes, and the headers of both directions', () => {
  const { paths, webhooks, 'x-result-codes': codes } = document()
  expect(codes).toEqual(RESULT_CODES)
  for (const { post } of [...Object.values<{ post: never }>(paths), webhooks.orderSync]) {
    const { parameters, responses } = post as {
      parameters: { name: string; required: boolean }[]
      responses: Record<string, { headers?: object }>
    }
    const required = parameters.filter((parameter) => parameter.required).map(({ name }) => name)
    expect(required).toEqual(['Client-Id', 'Request-Time', 'Signature'])
    expect(Object.keys(responses['200']?.headers ?? {})).toEqual([
      ...['Client-Id', 'Response-Time', 'Signature', 'Encrypt', 'Tracer-Id'],
    ])
  }
})
