import { describe, expect, test } from 'vitest'
import { readCurl, splitUrl } from '../../../src/diagnosis/capture/curl.ts'
import { ConfigurationError } from '../../../src/errors.ts'

const URL = 'https://shop.example/hook'
const read = (command: string) => {
  const { body, ...parts } = readCurl(command)
  return { ...parts, body: Buffer.from(body).toString() }
}
const bodyOf = (text: string) => read(`curl ${URL} -d ${text}`).body
const headersOf = (options: string) => read(`curl ${URL} ${options}`).headers.filter(([name]) => name !== 'Host')

describe('readCurl reads', () => {
  test('everything that a captured message has', () => {
    expect(read(`curl -H 'A: b' ${URL}?a=1`)).toEqual({
      direction: 'request',
      method: 'GET',
      path: '/hook?a=1',
      status: undefined,
      headers: [
        ['A', 'b'],
        ['Host', 'shop.example'],
      ],
      body: '',
      notes: [],
    })
  })

  test.each([
    ['', 'GET'],
    ['-d x', 'POST'],
    ['-I', 'HEAD'],
    ['--head', 'HEAD'],
    ['-I -X PUT', 'PUT'],
    ['-X PUT -I', 'PUT'],
    ['-XPUT', 'PUT'],
    ['--request PUT -d x', 'PUT'],
    ['--request=PUT', 'PUT'],
    ['-G -d x', 'GET'],
    ['--get -d x', 'GET'],
    ['-sX PUT', 'PUT'],
    ['-sSXPUT', 'PUT'],
    ['-sd x', 'POST'],
    ['-sSI', 'HEAD'],
    ['-sG -d x', 'GET'],
    ['-Gd x', 'GET'],
    ['-X', ''],
  ])('the method of curl URL %s: %s', (options, method) => expect(read(`curl ${URL} ${options}`).method).toBe(method))

  test.each([
    ['-d a -d b', 'a&b'],
    ['--data a --data-ascii b', 'a&b'],
    ['--data-binary a --data-raw b', 'a&b'],
    ['--data-raw @a', '@a'],
    ['--data-raw=a=b', 'a=b'],
    ["--data-raw='a\nb'", 'a\nb'],
    ['--json [1, --json 2]', '[1,2]'],
    ['--data-urlencode "a b"', 'a%20b'],
    ['--data-urlencode "n=a b=c"', 'n=a%20b%3Dc'],
    ['--data-urlencode "=a b"', '=a%20b'],
    ['-dabc', 'abc'],
    ['-sdG', 'G'],
    ['-d', ''],
  ])('the body of curl URL %s', (options, body) => expect(read(`curl ${URL} ${options}`).body).toBe(body))

  test.each([
    ['-d x', [['Content-Type', 'application/x-www-form-urlencoded']]],
    ['--json {}', [['Content-Type', 'application/json']]],
    ['-d x -H content-type:text/plain', [['content-type', 'text/plain']]],
    ['-G -d x', []],
    ['--header A:b', [['A', 'b']]],
    ['-H "A  : b : c "', [['A', 'b : c']]],
    ['-H "A;"', [['A', '']]],
    ['-H A', [['A', '']]],
    ['-HA:b', [['A', 'b']]],
    ['-H :b', [['', 'b']]],
  ])('the headers of curl URL %s', (options, headers) => expect(headersOf(options)).toEqual(headers))

  test('a URL that ends like an option, and what follows it', () => {
    expect(read('curl https://a.example/x--output -d y')).toMatchObject({ path: '/x--output', body: 'y' })
  })

  test('Host from the URL, unless it is a header', () => {
    expect(read(`curl ${URL}`).headers).toEqual([['Host', 'shop.example']])
    expect(read(`curl ${URL} -H 'HOST: other'`).headers).toEqual([['HOST', 'other']])
    expect(read('curl /hook').headers).toEqual([])
  })

  test.each([
    [`curl ${URL}?a=1 -G -d b=2 -d c=3`, '/hook?a=1&b=2&c=3'],
    [`curl ${URL} --get -d b=2`, '/hook?b=2'],
    [`curl ${URL} -G`, '/hook'],
    [`curl --url ${URL} https://other.example/`, '/hook'],
    [`curl ${URL} https://other.example/`, '/hook'],
    [`curl  ${URL}`, '/hook'],
    ['curl https://a.example/x--data=b', '/x--data=b'],
  ])('the path of %s: %s', (command, path) => expect(read(command)).toMatchObject({ path, body: '' }))

  test.each([
    ...['-o', '-u', '-A', '-e', '-b', '-c', '-m', '-x', '-w', '-T', '-K'],
    ...['--output', '--user', '--user-agent', '--referer', '--cookie', '--cookie-jar', '--max-time'],
    ...['--connect-timeout', '--proxy', '--cacert', '--cert', '--key', '--resolve', '--retry', '--write-out'],
    ...['--upload-file', '--config', '--ciphers', '--interface'],
  ])('no URL in the value of %s', (option) => {
    expect(read(`curl ${option} value ${URL}`).path).toBe('/hook')
    if (option.startsWith('--')) expect(read(`curl ${option}=value ${URL}`).path).toBe('/hook')
    else expect(read(`curl ${option}value ${URL}`).path).toBe('/hook')
  })

  test.each(['-s', '-sS', '--compressed', '-k', '--insecure', '--outputs', '-v'])(
    'the URL after %s, which has no value',
    (option) => expect(read(`curl ${option} ${URL}`).path).toBe('/hook'),
  )
})

describe('readCurl splits words as a shell does:', () => {
  test.each([
    ["'a'\\''b'", "a'b"],
    ["'a\\nb'", 'a\\nb'],
    ["'a\\\\b'", 'a\\\\b'],
    ["'a$ b'", 'a$ b'],
    ['a"b"\'c\'d', 'abcd'],
    ['"a\\"b\\\\c\\$d\\`e\\nf"', 'a"b\\c$d`e\\nf'],
    ['"a\\\nb"', 'ab'],
    ['a\\ b', 'a b'],
    ['\\"a\\"', '"a"'],
    ['""', ''],
    ["$'a\\n\\r\\t\\a\\b\\e\\f\\v\\\\\\'\\\"\\?'", 'a\n\r\t\x07\b\x1b\f\v\\\'"?'],
    ["$'\\x41\\x4a\\x4\\u0042\\u43\\101\\60'", 'AJ\x04BCA0'],
    ["$'\\u5976\\u8336'", '奶茶'],
    ['a$', 'a$'],
    ['a ; rm -rf', 'a'],
    ['a|jq', 'a'],
    ['a&', 'a'],
    ['a>out', 'a'],
    ["'a;|&>b'", 'a;|&>b'],
  ])('%j is %j', (text, word) => expect(bodyOf(text)).toBe(word))

  test.each(['\\\n', '\\\r\n', '\t', '\n'])('with %j between words', (space) => {
    expect(read(` $ curl ${URL} ${space} -d${space}x `)).toMatchObject({
      path: '/hook',
      body: 'x',
    })
  })

  test('a line break with a backslash inside a word joins it', () => {
    expect(bodyOf('a\\\nb')).toBe('ab')
    expect(bodyOf('a\\\r\nb')).toBe('ab')
  })
})

describe('readCurl rejects', () => {
  test.each([
    ['curl', 'The curl command has no URL.'],
    ['curl ; x', 'The curl command has no URL.'],
    ['curl -d https://a.example', 'The curl command has no URL.'],
    ...['-d @f', '--data @f', '--data-binary @f', '--data-ascii=@f', '--data-urlencode @f', '--json @f'].map(
      (option) => [
        `curl ${URL} ${option}`,
        'The body of the curl command is in a file (@FILE). Pass JSON with the body as "bodyBase64", or raw HTTP, so that no byte is lost.',
      ],
    ),
    [`curl ${URL} -d 'a`, 'The curl command has an unclosed quote: it was cut off.'],
    [`curl ${URL} -d "a\\"`, 'The curl command has an unclosed quote: it was cut off.'],
    [`curl ${URL} -d $'a\\'`, 'The curl command has an unclosed quote: it was cut off.'],
  ])('%s', (command, message) => {
    expect(() => readCurl(command ?? '')).toThrow(new ConfigurationError('ERR_REQUEST', message ?? ''))
  })
})

test.each([
  ['https://a.example/b?c#d', 'a.example', '/b?c'],
  ['HTTP://a.example:8080', 'a.example:8080', '/'],
  ['https://user:p@ss@a.example?c=/', 'a.example', '/?c=/'],
  ['a.example/b/../c', 'a.example', '/b/../c'],
  ['/b', '', '/b'],
  ['ftp://a', 'ftp:', '//a'],
  ['', '', '/'],
])('splitUrl splits %s without normalizing it', (url, host, path) => expect(splitUrl(url)).toEqual({ host, path }))
