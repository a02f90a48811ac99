import { parseArgs } from 'node:util'
import { describeKey } from 'alipayhk-order-sync'
import { UsageError } from './arguments.ts'
import { describeFailure } from './failure.ts'
import { readLimited } from './files.ts'
import { print, printJson, printToStderr } from './output.ts'

export const help = `alipayhk-order-sync key [--json] FILE|-

Shows what is in a key file, or on standard input (-): kind, algorithm, bits, fingerprint and JWK thumbprint. It accepts
every form that the library accepts, and says of other files what they are. It never shows the key.

  --json   print the description as JSON

The fingerprint is the SHA-256 of the public key, the same for both halves of a pair. Compare it with the other side.

Exit status: 0 the key can be used; 1 it cannot, and the reason is printed; 64 the command is wrong.

Example: alipayhk-order-sync key private.pem`

/** The largest file that is read as a key. */
const MAX_KEY_BYTES = 1_048_576

/** Like the other commands for diagnosis, it exits with 64 when the command is wrong. */
export async function run(args: string[]): Promise<number> {
  const { bytes, json } = await readArguments(args).catch((error: unknown) => {
    for (const line of describeFailure(error).lines) printToStderr(line)
    return { bytes: undefined, json: false }
  })
  if (bytes === undefined) return 64
  const { kind, algorithm, bits, fingerprint, thumbprint } = describeKey(bytes)
  if (json) await printJson({ kind, algorithm, bits, fingerprint, ...(thumbprint !== undefined && { thumbprint }) })
  else {
    await print(`kind         ${kind}`)
    await print(`algorithm    ${algorithm}`)
    await print(`bits         ${bits}`)
    await print(`fingerprint  ${fingerprint}`)
    if (thumbprint !== undefined) await print(`thumbprint   ${thumbprint}`)
  }
  return 0
}

async function readArguments(args: string[]): Promise<{ bytes: Buffer; json: boolean }> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  })
  const [file, ...others] = positionals
  if (file === undefined) throw new UsageError('The file that holds the key is missing; - reads standard input.')
  if (others.length > 0) throw new UsageError('One file is read at a time, and more than one argument was given.')
  return { bytes: await readLimited('The key', file, MAX_KEY_BYTES), json: values.json }
}
