import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigurationError } from '../../src/errors.ts'
import { describeKey } from '../../src/keys/keys.ts'
import { der, merchantEcc, merchantRsa, pem } from '../support/keys.ts'

// What people paste in place of a key. Each form is accepted, or the error says what it is.

const folder = mkdtempSync(join(tmpdir(), 'key-forms-'))
afterAll(() => rmSync(folder, { recursive: true }))
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
writeFileSync(join(folder, 'key.pem'), pem(merchantRsa().privateKey))
openssl('req', '-x509', '-new', '-key', 'key.pem', '-subj', '/CN=a', '-days', '1', '-out', 'key.crt')
openssl('req', '-new', '-key', 'key.pem', '-subj', '/CN=a', '-out', 'key.csr')
openssl('req', '-new', '-key', 'key.pem', '-subj', '/CN=a', '-outform', 'DER', '-out', 'key.csr.der')
openssl('pkcs12', '-export', '-inkey', 'key.pem', '-in', 'key.crt', '-passout', 'pass:open', '-out', 'key.p12')
openssl('crl2pkcs7', '-nocrl', '-certfile', 'key.crt', '-out', 'key.p7b')
openssl('crl2pkcs7', '-nocrl', '-certfile', 'key.crt', '-outform', 'DER', '-out', 'key.p7b.der')
const read = (name: string) => readFileSync(join(folder, name))
const text = (...args: string[]) => openssl(...args).toString()

const key = pem(merchantRsa().privateKey)
const publicKey = pem(merchantRsa().publicKey)
const base64 = Buffer.from(der(merchantRsa().privateKey)).toString('base64')
const bytes = der(merchantRsa().privateKey)
const lines = key.split('\n')
const content = lines.slice(1, -2).join('\n')
const begin = '-----BEGIN PRIVATE KEY-----'
const end = '-----END PRIVATE KEY-----'
const jwk = merchantRsa().privateKey.export({ format: 'jwk' })
const utf16 = (value: string) => Buffer.from(value, 'utf16le')

type Form = readonly [title: string, input: string | Uint8Array]

const ACCEPTED: readonly Form[] = [
  ['PEM', key],
  ['a public key', publicKey],
  ['CRLF', key.replaceAll('\n', '\r\n')],
  ['CR alone', key.replaceAll('\n', '\r')],
  ['escaped \\n', key.replaceAll('\n', '\\n')],
  ['double-escaped \\\\n', key.replaceAll('\n', '\\\\n')],
  ['\\n escaped three times', key.replaceAll('\n', '\\\\\\\\n')],
  ['double-escaped \\\\r\\\\n', key.replaceAll('\n', '\\\\r\\\\n')],
  ['escaped slashes', key.replaceAll('/', '\\/')],
  ['double-escaped slashes', base64.replaceAll('/', '\\\\/')],
  ['escaped slashes and \\n, as PHP writes JSON', JSON.stringify(key).replaceAll('/', '\\/')],
  ['JSON in JSON', JSON.stringify(JSON.stringify(key))],
  ['zero-width spaces', key.replaceAll('\n', '\n\u200b')],
  ['a zero-width space in the BEGIN line', key.replace('BEGIN', '\u200bBEGIN')],
  ['soft hyphens', base64.replace(/.{64}/g, '$&\u00ad')],
  ['a left-to-right mark', `\u200e${base64}`],
  ['word joiners', base64.replace(/.{40}/g, '$&\u2060')],
  ['a byte order mark', `\ufeff${key}`],
  ['a byte order mark inside quotes', `"\ufeff${key}"`],
  ['a byte order mark read as Latin-1', `\u00ef\u00bb\u00bf${key}`],
  ['a byte order mark as bytes', Buffer.from(`\ufeff${key}`)],
  ['UTF-16, little-endian', utf16(`\ufeff${key}`)],
  ['UTF-16, big-endian', utf16(`\ufeff${key}`).swap16()],
  ['UTF-16 of base64', utf16(`\ufeff${base64}`)],
  ['a comma at the end', `${key.trim()},`],
  ['a semicolon at the end', `${base64};`],
  ['quotes and a comma', `"${key.trim()}",`],
  ['quotes and a semicolon', `'${base64}';`],
  ['smart double quotes', `\u201c${key}\u201d`],
  ['smart single quotes', `\u2018${base64}\u2019`],
  ['German quotes', `\u201e${base64}\u201c`],
  ['French quotes', `\u00ab ${base64} \u00bb`],
  ['backticks', `\`${key}\``],
  ['quotes of two kinds', `'"${key}"'`],
  ['escaped quotes', `\\"${base64}\\"`],
  ['en dashes', key.replaceAll('-----', '\u2013\u2013\u2013\u2013\u2013')],
  ['dashes of a word processor', key.replaceAll('-----', '\u2014\u2014-')],
  ['em dashes and hyphens', key.replaceAll('-----', '\u2014-\u2014')],
  ['non-breaking hyphens', key.replaceAll('-----', '\u2011\u2011\u2011\u2011\u2011')],
  ['minus signs', key.replaceAll('-----', '\u2212\u2212\u2212\u2212\u2212')],
  ['no-break spaces', key.replaceAll('\n', '\u00a0')],
  ['tabs', key.replaceAll('\n', '\t')],
  ['escaped tabs', key.replaceAll('\n', '\\n\\t')],
  ['one line with spaces', key.replaceAll('\n', ' ')],
  ['one line without spaces', key.replaceAll('\n', '')],
  ['indented', key.replaceAll(/^/gm, '  ')],
  ['blank lines between all lines', key.replaceAll('\n', '\n\n')],
  ['base64', base64],
  ['base64url', Buffer.from(bytes).toString('base64url')],
  ['base64 on lines', content],
  ['base64 of PEM', Buffer.from(key).toString('base64')],
  ['base64 of PEM in UTF-8 with a byte order mark', Buffer.from(`\ufeff${key}`).toString('base64')],
  ['base64 of PEM in UTF-16', utf16(`\ufeff${key}`).toString('base64')],
  ['NAME= before PEM', `PRIVATE_KEY=${key}`],
  ['export NAME= before PEM', `export PRIVATE_KEY="${key}"`],
  ['a comment before PEM', `# from the console\n${key}`],
  ['a NUL at the end', `${key}\0`],
  ['a NUL at the end of bytes', Buffer.from(`${base64}\0`)],
  ['Ctrl-Z at the end of bytes', Buffer.from(`${key}\x1a`)],
  ['a comment in Latin-1 before PEM', Buffer.from(`# Schl\u00fcssel\n${key}`, 'latin1')],
  ['a name with a colon before PEM', `secret: ${key}`],
  ['PEM in YAML', `privateKey: |\n${key.replaceAll(/^/gm, '  ')}`],
  ['PEM in XML', `<key>${key}</key>`],
  ['PEM behind what openssl prints with -text', `${text('x509', '-in', 'key.crt', '-text')}`],
  ['a JWK', JSON.stringify(jwk)],
  ['a JWK with escaped quotes', JSON.stringify(JSON.stringify(jwk)).slice(1, -1)],
  ['a JWK in quotes', `'${JSON.stringify(jwk)}'`],
  ['a JWK with a comma behind it', `${JSON.stringify(jwk)},`],
  ['DER', bytes],
  ['EC in PEM', pem(merchantEcc().privateKey)],
  ['a certificate', read('key.crt').toString()],
]

type Named = readonly [title: string, input: string | Uint8Array, message: RegExp]

const NAMED: readonly Named[] = [
  ['nothing', '', /is empty/],
  ['quotes around nothing', '""', /is empty/],
  ['zero-width spaces alone', '\u200b\u200b', /is empty/],
  ['a byte order mark alone', '\ufeff', /is empty/],
  ['an empty file', new Uint8Array(), /is empty/],
  ['undefined', 'undefined', /a text for a missing value/],
  ['null in quotes', '"null"', /a text for a missing value/],
  ['NaN', 'NaN', /a text for a missing value/],
  ['[object Object]', '[object Object]', /the text of a JavaScript object/],
  ['a variable of the shell', '$' + '{MERCHANT_PRIVATE_KEY}', /a placeholder that was not replaced/],
  ['a variable without braces', '$PRIVATE_KEY', /a placeholder that was not replaced/],
  ['a variable of Windows', '%PRIVATE_KEY%', /a placeholder that was not replaced/],
  ['a template', '{{ private_key }}', /a placeholder that was not replaced/],
  ['a command of the shell', '$(cat private.pem)', /a placeholder that was not replaced/],
  ['the code that reads a variable', 'process.env.PRIVATE_KEY', /is code that reads a variable/],
  ['a placeholder in brackets', '<your private key>', /a placeholder of an example/],
  ['a placeholder in words', 'YOUR_PRIVATE_KEY_HERE', /a placeholder of an example/],
  ['changeme', 'changeme', /a placeholder of an example/],
  ['asterisks', '********', /is masked/],
  ['REDACTED', '[REDACTED]', /is masked/],
  ['1Password', 'op://vault/alipay/private key', /a reference of 1Password/],
  ['an ARN', 'arn:aws:secretsmanager:ap-east-1:123456789012:secret:key-AbCdEf', /the ARN of AWS/],
  ['a secret of Google Cloud', 'projects/shop/secrets/key/versions/latest', /a secret of Google Cloud/],
  ['Azure Key Vault', '@Microsoft.KeyVault(SecretUri=https://x.vault.azure.net/secrets/k/)', /Azure Key Vault/],
  ['the address in Azure Key Vault', 'https://x.vault.azure.net/secrets/k/1', /Azure Key Vault/],
  ['Vault of HashiCorp', 'vault:secret/data/key#private', /a reference to a secret/],
  ['an SSM parameter', 'ssm:/shop/private-key', /a reference to a secret/],
  ['CloudFormation', '{{resolve:secretsmanager:key}}', /a placeholder that was not replaced/],
  ['!Ref', '!Ref PrivateKey', /a reference of a deployment template/],
  ['SOPS', 'ENC[AES256_GCM,data:abc,iv:def,tag:ghi,type:str]', /is encrypted by a tool/],
  ['Ansible Vault', '$ANSIBLE_VAULT;1.1;AES256\n6162', /is encrypted by a tool/],
  ['a URL', 'https://shop.example/private.pem', /is a URL/],
  ['a fingerprint of SSH', 'SHA256:uNiVztksCsDhcc0u9e8BrDvqzMTtfbLwuWqYI3vNFHQ', /is the fingerprint of a key/],
  ['a fingerprint in hex', Array(20).fill('ab').join(':'), /is a fingerprint/],
  ['a path', '/run/secrets/private.pem', /the path of a file/],
  ['a path in quotes', '"./keys/private.pem"', /the path of a file/],
  ['a path of Windows', 'C:\\keys\\private.pem', /the path of a file/],
  ['the path of a keystore', 'keystore.jks', /the path of a file/],
  ['a URL of a file', 'file:///etc/key.pem', /the path of a file/],
  ['an object around the key', JSON.stringify({ privateKey: key }), /a JSON object; pass its member "privateKey"/],
  ['an object around base64', JSON.stringify({ type: 'rsa', key: base64 }), /pass its member "key"/],
  ['a service account', JSON.stringify({ type: 'service_account', private_key: key }), /its member "private_key"/],
  ['an object in an object', JSON.stringify({ data: { data: { pem: key } } }), /its member "data.data.pem"/],
  ['an object around a JWK', JSON.stringify({ key: jwk }), /its member "key"/],
  ['an object with a name that is no word', JSON.stringify({ 'a b': key }), /its member that holds the key/],
  ['a list around the key', JSON.stringify([key]), /a JSON list; pass its member "0"/],
  ['a list of other things', '["a"]', /a JSON list/],
  ['JSON that is cut off', JSON.stringify(jwk).slice(0, -9), /begins like JSON but is not/],
  ['lost backslashes', key.replaceAll('\n', 'n'), /the backslashes of its \\n were lost/],
  ['lost backslashes, without the last one', key.trim().replaceAll('\n', 'n'), /the backslashes of its \\n were lost/],
  ['+ turned into spaces', base64.replaceAll('+', ' '), /has spaces where "\+" was/],
  ['+ turned into spaces in PEM', key.replaceAll('+', ' '), /has spaces where "\+" was/],
  ['URL-encoded PEM', encodeURIComponent(key), /is URL-encoded/],
  ['URL-encoded base64', encodeURIComponent(base64), /is URL-encoded/],
  ['form-encoded PEM', new URLSearchParams({ k: key }).toString().slice(2), /is URL-encoded/],
  ['entities of HTML', key.replaceAll('+', '&#43;'), /entities of HTML/],
  ['hex', Buffer.from(bytes).toString('hex'), /is hex/],
  ['hex with 0x', `0x${Buffer.from(bytes).toString('hex')}`, /is hex/],
  ['hex with colons', Buffer.from(bytes).toString('hex').match(/../g)?.join(':') ?? '', /hex/],
  ['hex in PEM', `${begin}\n${Buffer.from(bytes).toString('hex')}\n${end}`, /is PEM whose content is hex/],
  ['XML of .NET', '<RSAKeyValue><Modulus>AQAB</Modulus></RSAKeyValue>', /an XML key of \.NET/],
  ['other XML', '<?xml version="1.0"?><a/>', /is XML/],
  ['HTML', '<!DOCTYPE html><html><body>Sign in</body></html>', /is an HTML page/],
  ['PuTTY', 'PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n', /is a key of PuTTY/],
  ['SSH2', '---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----', /is an SSH2 key/],
  ['a public key of OpenSSH', 'ssh-rsa AAAAB3NzaC1yc2E me@home', /is in OpenSSH form/],
  ['a private key of OpenSSH', key.replaceAll('PRIVATE KEY', 'OPENSSH PRIVATE KEY'), /is in OpenSSH form/],
  ['age', 'AGE-SECRET-KEY-1QQQQQQ', /is a key of age/],
  ['PGP', '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ\n-----END PGP PRIVATE KEY BLOCK-----', /of PGP/],
  ['JKS', Buffer.from('feedfeed00000002000000010000', 'hex'), /is a Java keystore \(JKS\)/],
  [
    'JKS in base64',
    Buffer.from('feedfeed00000002000000010000', 'hex').toString('base64'),
    /is a Java keystore \(JKS\)/,
  ],
  ['JCEKS', Buffer.from('cececece00000002000000010000', 'hex'), /is a Java keystore \(JCEKS\)/],
  ['PKCS#12', read('key.p12'), /is a PKCS#12 bundle/],
  ['PKCS#12 in base64', read('key.p12').toString('base64'), /is a PKCS#12 bundle/],
  ['PKCS#7', read('key.p7b').toString(), /is a PKCS#7 bundle/],
  ['PKCS#7 in DER', read('key.p7b.der'), /is a PKCS#7 bundle/],
  ['a CSR', read('key.csr').toString(), /is a certificate request/],
  ['a CSR in DER', read('key.csr.der'), /is a certificate request/],
  ['a CSR in base64', read('key.csr.der').toString('base64'), /is a certificate request/],
  ['a revocation list', '-----BEGIN X509 CRL-----\nMII=\n-----END X509 CRL-----', /revoked certificates/],
  ['parameters', '-----BEGIN DH PARAMETERS-----\nMII=\n-----END DH PARAMETERS-----', /parameters without a key/],
  ['openssl -text', text('rsa', '-in', 'key.pem', '-text', '-noout'), /what openssl prints/],
  ['openssl x509 -text', text('x509', '-in', 'key.crt', '-text', '-noout'), /what openssl prints/],
  ['openssl -modulus', text('rsa', '-in', 'key.pem', '-modulus', '-noout'), /what openssl prints/],
  ['a JWT', 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl', /is a JWT/],
  ['a line of YAML', `privateKey: |\n  ${content.replaceAll('\n', '\n  ')}`, /is a line of YAML/],
  ['NAME= before base64', `PRIVATE_KEY=${base64}`, /is a line NAME=VALUE/],
  ['gzip', gzipSync(key), /is a gzip file/],
  ['ZIP', Buffer.from('504b0304140000000000', 'hex'), /is a ZIP file/],
  ['PDF', Buffer.from('255044462d312e34e2e3cfd3', 'hex'), /is a PDF file/],
  ['an AES key in base64', Buffer.alloc(32, 0xf1).toString('base64'), /the size of a symmetric key/],
  ['a bare modulus', Buffer.alloc(256, 0xc3).toString('base64'), /a bare modulus or a signature/],
  ['four hyphens', key.replace('-----BEGIN', '----BEGIN'), /has 4 hyphens beside BEGIN/],
  ['six hyphens', key.replace('KEY-----\n', 'KEY------\n'), /has 6 hyphens beside BEGIN/],
  ['lower case', key.replace('BEGIN', 'begin').replace('END', 'end'), /has BEGIN in lower case/],
  ['the first line alone', `${begin}\n`, /is the first line of PEM alone/],
  ['no BEGIN line', `${content}\n${end}`, /is PEM without its BEGIN line/],
  ['another END line', key.replace('END PRIVATE', 'END PUBLIC'), /as different kinds of PEM/],
  ['PEM with dots', `${begin}\n${lines[1]}\n...\n${end}`, /has dots instead of its middle/],
  ['PEM with an ellipsis', `${begin}\n${lines[1]}…\n${end}`, /has dots instead of its middle/],
  ['masked PEM', `${begin}\n************\n${end}`, /is masked/],
  ['PEM with a backslash', `${begin}\nMII\\${content}\n${end}`, /character 4 of \d+ is a backslash/],
  ['PEM with an umlaut', `${begin}\nMIIEä${content}\n${end}`, /character 5 of \d+ is a letter that is not ASCII/],
  ['PEM with a bracket', `${begin}\nMII(${content}\n${end}`, /character 4 of \d+ is a bracket/],
  ['base64 with a quote inside', `MIIEvQ"${base64}`, /character 7 of \d+ is a quotation mark/],
  [
    'base64 with a dash that is not ASCII',
    base64.replace(/.{9}/, '$&\u2013'),
    /character 10 of \d+ is a dash that is not ASCII/,
  ],
  ['base64 in both alphabets', `${base64}-_`.replaceAll('=', ''), /mixes the characters of base64 and of base64url/],
  ['two keys in base64', `MIIEvQ==${base64}`, /has an equals sign before its end/],
  ['two PEM blocks', key + publicKey, /has 2 PEM blocks/],
  ['a password', 'Tr0ub4dor&3', /neither PEM nor the base64 of a key; it is not base64: character 10 of 11/],
  ['a word', 'abcdefghi', /it has 9 characters, and a key has hundreds/],
  ['a sentence', 'the key is in the vault!', /neither PEM nor the base64 of a key/],
  ['UTF-16 without a byte order mark', utf16(key), /is UTF-16 without a byte order mark/],
  ['UTF-16, big-endian, without a byte order mark', utf16(key).swap16(), /is UTF-16 without a byte order mark/],
  ['DER with bytes behind it', new Uint8Array([...bytes, 0, 0]), /2 more than the \d+ bytes of its structure/],
  ['DER of another kind', Buffer.from('30060201010101ff', 'hex'), /is DER, but no PKCS#8/],
]

/** Forms of which a part is missing. Only these are called cut off. */
const CUT: readonly Named[] = [
  ['PEM without its last line', lines.slice(0, -2).join('\n'), /without a matching END line; it may have been cut off/],
  ['PEM without its last characters', key.slice(0, -4), /without a matching END line; it may have been cut off/],
  ['PEM without a line in the middle', lines.toSpliced(5, 1).join('\n'), /it was cut off: \d+ of \d+ bytes/],
  ['base64 without its end', base64.slice(0, -200), /it was cut off: \d+ of \d+ bytes/],
  ['base64 cut between bytes', base64.slice(0, -203), /it was cut off: \d+ of \d+ bytes/],
  ['base64 without its beginning', Buffer.from(bytes.subarray(5)).toString('base64'), /cut off/],
  ['DER without its end', bytes.subarray(0, -3), /it was cut off: \d+ of \d+ bytes/],
]

const failure = (input: string | Uint8Array): ConfigurationError => {
  try {
    describeKey(input)
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new Error('was accepted')
}

/** All substrings of 12 characters of base64. */
const runs = (value: string) => {
  const compact = value.replace(/\s+/g, '')
  return Array.from({ length: Math.max(0, compact.length - 11) }, (_, at) => compact.slice(at, at + 12))
}

describe('describeKey accepts', () => {
  const fingerprints = new Set([describeKey(key).fingerprint, describeKey(merchantEcc().publicKey).fingerprint])
  test.each(ACCEPTED)('%s', (_, input) => {
    expect(fingerprints).toContain(describeKey(input).fingerprint)
  })
})

describe('describeKey names', () => {
  test.each([...NAMED, ...CUT])('%s', (_, input, expected) => {
    const { message, code } = failure(input)
    expect(code).toBe('ERR_KEY_FORMAT')
    expect(message).toMatch(expected)
    expect(message).toMatch(/^key [ -~]{10,200}\.$/)
  })

  test.each(NAMED)('%s, and does not say that it was cut off', (_, input) => {
    const { message } = failure(input)
    if (!/do not begin like a key|without its BEGIN line/.test(message)) expect(message).not.toContain('cut off')
  })

  test.each([...NAMED, ...CUT])('%s, and quotes no part of it', (_, input) => {
    const { message } = failure(input)
    const leaked = runs(content).filter((part) => message.includes(part))
    expect(leaked).toEqual([])
    const given = typeof input === 'string' ? input : Buffer.from(input).toString('latin1')
    if (/^[\w+/=]{40,}$/.test(given)) expect(runs(given).filter((part) => message.includes(part))).toEqual([])
  })
})

test('the table has at least 120 forms, and no form twice', () => {
  const titles = [...ACCEPTED, ...NAMED, ...CUT].map(([title]) => title)
  expect(titles.length).toBeGreaterThanOrEqual(120)
  expect(
    new Set([...ACCEPTED, ...NAMED, ...CUT].map(([, input]) => typeof input + Buffer.from(input).toString('base64')))
      .size,
  ).toBe(titles.length)
})
