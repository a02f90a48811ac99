import { type Credentials, parsePrivateKey, parsePublicKey } from 'alipayhk-order-sync'
import { requireOption } from './arguments.ts'
import { decodeText, readNamedFile } from './files.ts'

/** The options for our own identity and the keys of both sides. */
export const IDENTITY_OPTIONS = {
  'client-id': { type: 'string' },
  'private-key': { type: 'string' },
  'peer-public-key': { type: 'string' },
  'key-version': { type: 'string', default: '1' },
  'peer-key-version': { type: 'string', default: '1' },
} as const

export const IDENTITY_HELP = `  --client-id ID             the Client-Id that AlipayHK assigned
  --private-key FILE         our key: signs messages we send, decrypts messages we receive
  --peer-public-key FILE     their key: verifies messages we receive, encrypts messages we send
  --key-version N            the version of our key (1)
  --peer-key-version N       the version of their key (1)`

type IdentityValues = { readonly [Option in keyof typeof IDENTITY_OPTIONS]?: string | undefined }

/** Reads the key files. Parses the keys to check them, so that an error names the option of the command. */
export async function readCredentials(values: IdentityValues): Promise<Credentials> {
  const { 'key-version': version = '1', 'peer-key-version': peerVersion = '1' } = values
  const clientId = requireOption('--client-id', values['client-id'])
  const privateKey = await readKey('--private-key', values['private-key'], parsePrivateKey)
  const peerPublicKey = await readKey('--peer-public-key', values['peer-public-key'], parsePublicKey)
  return { clientId, privateKeys: { [version]: privateKey }, peerPublicKeys: { [peerVersion]: peerPublicKey } }
}

async function readKey(
  option: string,
  file: string | undefined,
  parse: (input: string | Uint8Array, name: string) => unknown,
): Promise<string | Uint8Array> {
  const bytes = await readNamedFile(option, requireOption(option, file))
  // PEM and base64 are text; DER is not UTF-8.
  const key = decodeText(bytes) ?? bytes
  parse(key, option)
  return key
}
