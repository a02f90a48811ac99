// For a trial without a device: creates a token of SoftHSM in ./tokens, and imports MERCHANT_PRIVATE_KEY into it.
import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'

const { MERCHANT_PRIVATE_KEY = '', PKCS11_PIN = '' } = process.env
if (PKCS11_PIN === '') throw new Error('PKCS11_PIN is missing. Set it to the PIN for the new token.')

rmSync('tokens', { recursive: true, force: true })
mkdirSync('tokens')
writeFileSync('softhsm2.conf', 'directories.tokendir = ./tokens\nlog.level = ERROR\n')
const softhsm = (...args) =>
  execFileSync('softhsm2-util', args, { env: { ...process.env, SOFTHSM2_CONF: 'softhsm2.conf' }, timeout: 60_000 })

softhsm('--init-token', '--free', '--label', 'order-sync', '--so-pin', PKCS11_PIN, '--pin', PKCS11_PIN)
const pem = createPrivateKey(MERCHANT_PRIVATE_KEY).export({ type: 'pkcs8', format: 'pem' })
writeFileSync('tokens/import.pem', pem, { mode: 0o600 })
try {
  softhsm(
    '--import',
    'tokens/import.pem',
    '--token',
    'order-sync',
    '--label',
    'order-sync',
    '--id',
    '01',
    '--pin',
    PKCS11_PIN,
  )
} finally {
  rmSync('tokens/import.pem')
}
