// Runs server.js with a KMS on this machine, which holds MERCHANT_PRIVATE_KEY.
import { createPrivateKey } from 'node:crypto'
import { startLocalKms } from './local-kms.js'

const { MERCHANT_PRIVATE_KEY = '' } = process.env
const kms = await startLocalKms(MERCHANT_PRIVATE_KEY)
const der = createPrivateKey(MERCHANT_PRIVATE_KEY).export({ type: 'pkcs8', format: 'der' })
delete process.env.MERCHANT_PRIVATE_KEY

Object.assign(process.env, {
  AWS_ENDPOINT_URL_KMS: kms.url,
  AWS_REGION: 'ap-east-1',
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  KMS_SIGNING_KEY: 'alias/order-sync-sign',
  KMS_ENVELOPE_KEY: 'alias/order-sync-envelope',
  ENCRYPTED_DECRYPTION_KEY: kms.encrypt(der).toString('base64'),
})
await import('./server.js')
