import { DecryptCommand, KMSClient, SignCommand } from '@aws-sdk/client-kms'
import { createOrderSyncHandler, memoryStore } from 'alipayhk-order-sync'
import { sqliteStore } from 'alipayhk-order-sync/stores/sqlite'

const { CLIENT_ID = '', ALIPAYHK_PUBLIC_KEY = '', DATABASE } = process.env
const { KMS_SIGNING_KEY = '', KMS_ENVELOPE_KEY = '', ENCRYPTED_DECRYPTION_KEY = '' } = process.env

// Region, endpoint and credentials come from the usual variables of AWS.
const kms = new KMSClient({})

/** Signs in the KMS. DIGEST: without it, the KMS hashes the digest again, and the signature is invalid. */
const signer = {
  algorithm: 'RSA256',
  async signDigest(digest) {
    const { Signature } = await kms.send(
      new SignCommand({
        KeyId: KMS_SIGNING_KEY,
        Message: digest,
        MessageType: 'DIGEST',
        SigningAlgorithm: 'RSASSA_PKCS1_V1_5_SHA_256',
      }),
    )
    return Signature
  },
}

/**
 * The key that decrypts orders. KMS has no RSAES-PKCS1-v1_5, so this key is in memory. At rest it is encrypted
 * with a symmetric key of the KMS, and each start decrypts it.
 */
async function decryptionKey() {
  const { Plaintext } = await kms.send(
    new DecryptCommand({ KeyId: KMS_ENVELOPE_KEY, CiphertextBlob: Buffer.from(ENCRYPTED_DECRYPTION_KEY, 'base64') }),
  )
  return Plaintext // PKCS#8 DER
}

const store = DATABASE === undefined ? memoryStore() : sqliteStore({ file: DATABASE })

export const handler = createOrderSyncHandler({
  credentials: {
    clientId: CLIENT_ID,
    privateKeys: { 1: { sign: signer, decrypt: await decryptionKey() } },
    peerPublicKeys: { 1: ALIPAYHK_PUBLIC_KEY },
  },
  store,
  async onOrder(order) {
    // Write the order to your database here.
    return { orderId: `order-${order.merchantBizNo}` }
  },
  onEvent: (event) => console.log(JSON.stringify(event)),
})

/** Waits for the orders that are being processed, then closes the file and the connections to the KMS. */
export async function close() {
  await handler.drain()
  if ('close' in store) await store.close()
  kms.destroy()
}
