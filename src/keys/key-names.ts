import { derProblem } from './der.ts'

// Describes texts and files that were passed as a key but are not a usable key. The descriptions never quote the input.

type Rule = readonly [pattern: RegExp, what: string]

/** Texts that refer to a key. Each reason completes "privateKeys[1] …". */
const REFERENCES: readonly Rule[] = [
  [/^(?:undefined|null|none|nil|nan|false|true)$/i, 'is a text for a missing value; set the environment variable'],
  [/^\[object \w+\]$/, 'is the text of a JavaScript object; pass the key itself'],
  [
    /^(?:\$\{[^}]*\}|\$\([^)]*\)|\$[A-Za-z_]\w*|%\w+%|\{\{[\s\S]*\}\}|<%[\s\S]*%>|#\{[^}]*\})$/,
    'is a placeholder that was not replaced; check the template or the shell',
  ],
  [
    /^process\.env\b|^os\.environ\b|^System\.getenv\b/,
    'is code that reads a variable, not its value; remove the quotes around it',
  ],
  [
    /^(?:x{3,}|\*{3,}|•{3,}|\.{3,}|…+|\[?redacted\]?|masked|hidden|secret)$/i,
    'is masked; the place where you copied it hides the key',
  ],
  [
    /^<[^<>\n]{1,80}>$|^\[[^[\]\n"'{]{1,80}\]$|^(?:your|insert|replace|paste|todo|change|example)[ _-]?[\w -]{0,60}$/i,
    'is a placeholder of an example; replace it with your key',
  ],
  [/^op:\/\//, 'is a reference of 1Password; resolve it with "op read" or "op run"'],
  [/^arn:[\w-]+:/, 'is the ARN of AWS; read the secret or the parameter that it names'],
  [
    /^projects\/[^/\s]+\/(?:locations\/|secrets\/)/,
    'is the name of a secret of Google Cloud; read the version of the secret',
  ],
  [
    /^@Microsoft\.KeyVault\(/i,
    'is a reference to Azure Key Vault that was not resolved; check the access policy of the app',
  ],
  [/^https?:\/\/[\w-]+\.vault\.azure\.net\//i, 'is the address of a secret in Azure Key Vault; read the secret'],
  [
    /^(?:vault|secret|secrets|ssm|awssm|gcpsm|azurekv|ref\+\w+|secretref|keyvault|doppler|bw|env|file\+\w+):/i,
    'is a reference to a secret; read the secret that it names',
  ],
  [
    /^!(?:Ref|Sub|GetAtt|ImportValue|vault)\b|^\{\{resolve:/,
    'is a reference of a deployment template that was not resolved',
  ],
  [/^ENC\[|^\$ANSIBLE_VAULT|^AgB[\w+/]{200,}=*$|^ENC\(/, 'is encrypted by a tool for secrets; decrypt it first'],
  [/^https?:\/\//i, 'is a URL; download the key and pass its content'],
  [/^SHA256:[\w+/]{40,44}=*$/, 'is the fingerprint of a key, not the key'],
  [/^(?:[0-9a-f]{2}:){15,}[0-9a-f]{2}$/i, 'is a fingerprint, or hex with colons; pass PEM or base64'],
]

/** Files and formats with a recognizable beginning. */
const FORMATS: readonly Rule[] = [
  [
    /^\s*(?:<!doctype html|<html|<head|<body)/i,
    'is an HTML page; a login or an error page was saved instead of the key',
  ],
  [
    /<RSAKeyValue>|<Modulus>/i,
    'is an XML key of .NET; export it with ExportPkcs8PrivateKeyPem() or ExportSubjectPublicKeyInfoPem()',
  ],
  [/^\s*<\?xml|^\s*<[a-z][\w:-]*[\s>]/i, 'is XML; pass PEM or base64'],
  [
    /^PuTTY-User-Key-File-/,
    'is a key of PuTTY; export it with puttygen: Conversions, Export OpenSSH key, then convert it to PEM',
  ],
  [
    /^\/u3\+7Q/,
    'is a Java keystore (JKS); export the key with keytool -importkeystore -deststoretype PKCS12, then openssl pkcs12',
  ],
  [/^-{2,5} ?BEGIN SSH2 /, 'is an SSH2 key; convert it: ssh-keygen -i -f FILE -e -m PKCS8'],
  [/^(?:ssh-|ecdsa-|sk-)/, 'is in OpenSSH form; convert it: ssh-keygen -e -m PKCS8 -f FILE'],
  [/^AGE-SECRET-KEY-|^age1/i, 'is a key of age, which cannot sign'],
  [/-----BEGIN PGP /, 'is a key or a message of PGP; a key in PKCS#8 or SPKI is needed'],
  [/-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----/, 'is a certificate request (CSR); pass the key or the certificate'],
  [/-----BEGIN X509 CRL-----/, 'is a list of revoked certificates; pass the key or the certificate'],
  [/-----BEGIN (?:PKCS7|CMS)-----/, 'is a PKCS#7 bundle; extract the certificate: openssl pkcs7 -print_certs -in FILE'],
  [/-----BEGIN (?:DH|X9\.42 DH|DSA) PARAMETERS-----/, 'is parameters without a key'],
  [
    /^(?:RSA )?(?:Private-Key|Public-Key): \(|^(?:RSA |ECDSA )?Private-Key:|^\s*Modulus[ =(:]/m,
    'is what openssl prints with -text or -modulus; run the command without it',
  ],
  [/^Certificate:\s*\n\s+Data:/, 'is what openssl prints with -text; run the command without it'],
  [/^eyJ[\w-]+\.[\w-]+(?:\.[\w-]*){1,3}$/, 'is a JWT, which is signed by a key and is not one'],
  [/^\s*[\w.-]{1,64}:\s*[|>][+-]?\s*\n/, 'is a line of YAML with its name; pass the value alone'],
  [/-{5}BEGIN(?:%20|\+)|^%2D|%0A|%2B/i, 'is URL-encoded; decode it first'],
  [
    /&#(?:10|x0?a|43|x2b);|&(?:plus|sol|equals|NewLine|quot);/i,
    'has entities of HTML in it; copy the text, not the source of the page',
  ],
]

/** The reason why a text cannot be a key; undefined when it may be one. */
export function nameReference(text: string): string | undefined {
  return text.length > 4_096 ? undefined : firstOf(REFERENCES, text)
}

/** The format of a text that is not a usable key. Undefined if the format is unknown. */
export function nameFormat(text: string): string | undefined {
  return firstOf(FORMATS, text)
}

function firstOf(rules: readonly Rule[], text: string): string | undefined {
  return rules.find(([pattern]) => pattern.test(text))?.[1]
}

const SIGNATURES: readonly (readonly [bytes: readonly number[], what: string])[] = [
  [
    [0xfe, 0xed, 0xfe, 0xed],
    'is a Java keystore (JKS); export the key with keytool -importkeystore -deststoretype PKCS12, then openssl pkcs12',
  ],
  [[0xce, 0xce, 0xce, 0xce], 'is a Java keystore (JCEKS); export the key with keytool'],
  [[0x1f, 0x8b], 'is a gzip file; decompress it'],
  [[0x50, 0x4b, 0x03, 0x04], 'is a ZIP file; extract the key'],
  [[0x25, 0x50, 0x44, 0x46], 'is a PDF file; pass the text of the key'],
  [[0x53, 0x51, 0x4c, 0x69], 'is a SQLite database'],
  [[0x99, 0x01], 'is a binary key of PGP; a key in PKCS#8 or SPKI is needed'],
]

/** Describes bytes that are neither DER nor text. */
export function nameBinary(bytes: Uint8Array): string {
  const known = SIGNATURES.find(([start]) => start.every((byte, index) => bytes[index] === byte))
  if (known !== undefined) return known[1]
  if (
    bytes.slice(0, 64).every((byte, index) => (byte === 0) === (index % 2 === 1)) ||
    bytes.slice(0, 64).every((byte, index) => (byte === 0) === (index % 2 === 0))
  ) {
    return 'is UTF-16 without a byte order mark; save the file as UTF-8'
  }
  const count = `${bytes.length} bytes`
  if ([16, 24, 32, 48].includes(bytes.length))
    return `is ${count}, the size of a symmetric key; an RSA or EC key is needed`
  if (bytes.length === 64)
    return `is ${count}, the size of a symmetric key or of a signature; an RSA or EC key is needed`
  if ([256, 384, 512].includes(bytes.length)) {
    return `is ${count} without a structure, such as a bare modulus or a signature; pass PKCS#8, SPKI or a JWK`
  }
  return `is ${count} that do not begin like a key; it may have been cut off at its beginning`
}

/** The object around a key: the name of its member, if one holds a key. */
export function nameJson(value: object): string | undefined {
  const path = keyPath(value, 0)
  if (path === undefined) return undefined
  const isShowable = path.every((step) => /^[\w-]{1,40}$/.test(step)) && path.join('.').length <= 60
  return `is a JSON ${Array.isArray(value) ? 'list' : 'object'}; pass ${isShowable ? `its member "${path.join('.')}"` : 'its member that holds the key'}`
}

const MAX_DEPTH = 4
const MAX_MEMBERS = 200

function keyPath(value: object, depth: number): string[] | undefined {
  for (const [name, member] of Object.entries(value).slice(0, MAX_MEMBERS)) {
    if (typeof member === 'string' && looksLikeKey(member)) return [name]
    if (typeof member !== 'object' || member === null) continue
    if ('kty' in member) return [name]
    const inner = depth < MAX_DEPTH ? keyPath(member, depth + 1) : undefined
    if (inner !== undefined) return [name, ...inner]
  }
  return undefined
}

const looksLikeKey = (text: string) => text.includes('-----BEGIN') || /^(?:MI|LS0t)[\w+/=\s-]{60,}$/.test(text)

/** Why PEM text has no readable block. */
export function namePem(text: string): string {
  if (/-----BEGIN [A-Z0-9 ]+-----n(?:[\w+/]|$)/.test(text) && /n-----END/.test(text)) {
    return 'has the letter n where lines end; the backslashes of its \\n were lost'
  }
  const begin = /(-+) ?(BEGIN) ([A-Z0-9 ]+?) ?(-+)/i.exec(text)
  const end = /(-+) ?(END) ([A-Z0-9 ]+?) ?(-+)/i.exec(text)
  if (begin !== null && end === null) {
    return /-----BEGIN [A-Z0-9 ]+-----\s*$/.test(text.trimEnd())
      ? 'is the first line of PEM alone; quote the value, so that it may have several lines'
      : 'is PEM without a matching END line; it may have been cut off'
  }
  if (end !== null && (end[4] ?? '').length < 5 && text.trimEnd().endsWith(end[0])) {
    return 'is PEM without a matching END line; it may have been cut off'
  }
  if (begin === null || end === null) return 'is PEM without its BEGIN line; it may have been cut off at its beginning'
  for (const [line, [, before = '', word = '', , after = '']] of [
    ['BEGIN', begin],
    ['END', end],
  ] as const) {
    const wrong = [before, after].find(({ length }) => length !== 5)
    if (wrong !== undefined) return `has ${wrong.length} hyphens beside ${line}, where PEM has five`
    if (word !== line) return `has ${line} in lower case, where PEM has upper case`
  }
  if (begin[3] !== end[3]) return 'begins and ends as different kinds of PEM; parts of two files were joined'
  return 'has PEM lines that cannot be read; they have other spaces or letters than "-----BEGIN PRIVATE KEY-----"'
}

/** Why the content of PEM, or a text without PEM lines, is not base64. */
export function nameMisfit(text: string, what: string): string {
  if (/\.{3}|…/.test(text)) return `${what} has dots instead of its middle; it was shortened`
  if (/\*{3}|•{3}/.test(text)) return `${what} is masked; the place where you copied it hides the key`
  if (/%[0-9A-F]{2}/.test(text)) return `${what} is URL-encoded; decode it first`
  const compact = text.replace(/\s+/g, '')
  if (/^(?:0x)?30[0-9a-f]{60,}$/i.test(compact.replaceAll(':', ''))) return `${what} is hex; convert it: xxd -r -p`
  const misfit = [...text].findIndex((character) => !/[A-Za-z0-9+/=_\s-]/.test(character))
  if (misfit >= 0) {
    const characters = [...text]
    return `${what} is not base64: character ${misfit + 1} of ${characters.length} is ${kindOf(characters[misfit] ?? '')}`
  }
  const equals = compact.search(/=[^=]/)
  if (equals >= 0) return `${what} has an equals sign before its end, at character ${equals + 1}; pass one value alone`
  if (/[+/]/.test(compact) && /[-_]/.test(compact)) return `${what} mixes the characters of base64 and of base64url`
  const plusLost = plusesLost(text)
  if (plusLost) return `${what} has spaces where "+" was; it was URL-decoded once too often`
  const problem = derProblem(Buffer.from(compact, 'base64'))
  return `${what} is not complete base64; ${problem?.isCut ? problem.text : 'it may have been cut off'}`
}

/** Whether the text becomes DER when its spaces become "+". Line breaks that became spaces do not. */
export function plusesLost(text: string): boolean {
  const restored = text.trim().replace(/ /g, '+').replace(/\s+/g, '')
  const bytes = Buffer.from(restored, 'base64')
  return / /.test(text.trim()) && bytes[0] === 0x30 && derProblem(bytes) === undefined
}

/** The kind of a character, never the character. */
function kindOf(character: string): string {
  if (character === '\\') return 'a backslash'
  if (character === '%') return 'a percent sign'
  if (/\p{Cc}/u.test(character)) return 'a control character'
  if (character === '\uFFFD') return 'a replacement character: the file was read in the wrong charset'
  if (/["'`\p{Pi}\p{Pf}]/u.test(character)) return 'a quotation mark'
  if (/[()[\]{}<>]/.test(character)) return 'a bracket'
  if (/\p{L}/u.test(character)) return 'a letter that is not ASCII'
  if (/\p{Pd}/u.test(character)) return 'a dash that is not ASCII'
  return /[\p{P}\p{S}]/u.test(character) ? 'punctuation or a symbol' : 'not a letter or digit of ASCII'
}
