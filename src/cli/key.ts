import { describeKey } from 'alipayhk-order-sync'
import { defineCommand } from './command.ts'
import { describeFailure } from './failure.ts'
import { readLimited } from './files.ts'
import { flag } from './option.ts'
import { print, printJson, printToStderr } from './output.ts'

/** The largest file that is read as a key. */
const MAX_KEY_BYTES = 1_048_576

export const key = defineCommand(
  {
    name: 'key',
    summary: 'describe a key file without showing the key',
    description:
      'Shows kind, algorithm, bits, fingerprint and JWK thumbprint of a key, in any format that the library accepts. If the file is not a key, describes what it is. The fingerprint is the SHA-256 of the public key, the same for both halves of a pair: compare it with the other side.',
    options: { json: flag('print the description as JSON') },
    argument: {
      placeholder: 'FILE|-',
      whenMissing: 'The name of the key file is missing. Use - for standard input.',
      whenRepeated: 'Give one file. There is more than one argument.',
      completes: 'file',
    },
    exitStatuses: { 1: 'the key cannot be used; prints the reason' },
    examples: [
      { does: 'show the fingerprint of your public key', line: 'npx alipayhk-order-sync key public.pem' },
      {
        does: 'show the key in an environment variable',
        line: 'printenv MERCHANT_KEY | npx alipayhk-order-sync key -',
      },
    ],
  },
  async ({ values, argument }) => {
    const bytes = await readLimited({ label: 'The key', value: argument }, MAX_KEY_BYTES)
    const description = describe(bytes)
    if (description === undefined) return 1
    const { kind, algorithm, bits, fingerprint, thumbprint } = description
    if (values.json)
      await printJson({ kind, algorithm, bits, fingerprint, ...(thumbprint !== undefined && { thumbprint }) })
    else {
      await print(`kind         ${kind}`)
      await print(`algorithm    ${algorithm}`)
      await print(`bits         ${bits}`)
      await print(`fingerprint  ${fingerprint}`)
      if (thumbprint !== undefined) await print(`thumbprint   ${thumbprint}`)
    }
    return 0
  },
)

/** Prints why the key cannot be used, and returns undefined. */
function describe(bytes: Uint8Array): ReturnType<typeof describeKey> | undefined {
  try {
    return describeKey(bytes)
  } catch (error) {
    for (const line of describeFailure(error).lines) printToStderr(line)
    return undefined
  }
}
