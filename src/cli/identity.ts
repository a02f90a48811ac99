import { type Credentials, parsePrivateKey, parsePublicKey } from 'alipayhk-order-sync'
import { decodeText, readNamedFile } from './files.ts'
import { file, type Named, required, text, type ValuesOf, withDefault } from './option.ts'

/** The options for the Client-Id and the keys of both sides. */
export const IDENTITY_OPTIONS = {
  'client-id': required(text('ID', 'the Client-Id that AlipayHK assigned')),
  'private-key': required(file('your key: signs messages you send, decrypts messages you receive')),
  'peer-public-key': required(file("the peer's key: verifies messages you receive, encrypts messages you send")),
  'key-version': withDefault('1', text('N', 'the version of your key')),
  'peer-key-version': withDefault('1', text('N', "the version of the peer's key")),
}

/** Reads the key files. Parses the keys to check them, so that an error names the option of the command. */
export async function readCredentials(values: ValuesOf<typeof IDENTITY_OPTIONS>): Promise<Credentials> {
  const { 'client-id': clientId, 'key-version': version, 'peer-key-version': peerVersion } = values
  const privateKey = await readKey(values['private-key'], parsePrivateKey)
  const peerPublicKey = await readKey(values['peer-public-key'], parsePublicKey)
  return { clientId, privateKeys: { [version]: privateKey }, peerPublicKeys: { [peerVersion]: peerPublicKey } }
}

/** Reads the file of a private key. */
export const readPrivateKey = (file: Named<string>) => readKey(file, parsePrivateKey)

async function readKey(
  file: Named<string>,
  parse: (input: string | Uint8Array, name: string) => unknown,
): Promise<string | Uint8Array> {
  const bytes = await readNamedFile(file)
  // PEM and base64 are text; DER is not UTF-8.
  const key = decodeText(bytes) ?? bytes
  parse(key, file.label)
  return key
}
