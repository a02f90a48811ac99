import { constants, createCipheriv, createDecipheriv, createPrivateKey, privateEncrypt, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'

/** The DER DigestInfo of SHA-256, without the digest. */
const SHA256_DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex')

/**
 * A KMS for a trial: the operations Sign and Decrypt in AWS JSON 1.1, with an RSA key and a symmetric key. It does not authenticate
 * its callers, and keeps its keys in memory. Use it only for a trial.
 */
export async function startLocalKms(privateKeyText) {
  const signingKey = createPrivateKey(privateKeyText)
  const secret = randomBytes(32)

  /** The result of the operation Encrypt. */
  function encrypt(bytes) {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', secret, iv)
    return Buffer.concat([iv, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
  }

  function decrypt(blob) {
    const decipher = createDecipheriv('aes-256-gcm', secret, blob.subarray(0, 12))
    decipher.setAuthTag(blob.subarray(-16))
    return Buffer.concat([decipher.update(blob.subarray(12, -16)), decipher.final()])
  }

  const operations = {
    'TrentService.Sign'({ KeyId, Message, MessageType, SigningAlgorithm }) {
      const digest = Buffer.from(Message, 'base64')
      if (MessageType !== 'DIGEST' || SigningAlgorithm !== 'RSASSA_PKCS1_V1_5_SHA_256' || digest.length !== 32)
        throw new KmsError('ValidationException')
      const padding = constants.RSA_PKCS1_PADDING
      const signature = privateEncrypt({ key: signingKey, padding }, Buffer.concat([SHA256_DIGEST_INFO, digest]))
      return { KeyId, Signature: signature.toString('base64'), SigningAlgorithm }
    },
    'TrentService.Decrypt'({ KeyId, CiphertextBlob, EncryptionAlgorithm = 'SYMMETRIC_DEFAULT' }) {
      // AWS also supports RSAES_OAEP_SHA_1 and RSAES_OAEP_SHA_256 for RSA keys, and no other algorithm.
      if (EncryptionAlgorithm !== 'SYMMETRIC_DEFAULT') throw new KmsError('ValidationException')
      try {
        const plaintext = decrypt(Buffer.from(CiphertextBlob, 'base64'))
        return { KeyId, Plaintext: plaintext.toString('base64'), EncryptionAlgorithm }
      } catch {
        throw new KmsError('InvalidCiphertextException')
      }
    },
  }

  const server = createServer(async (request, response) => {
    const respond = (status, body) =>
      response.writeHead(status, { 'Content-Type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body))
    try {
      const operation = operations[request.headers['x-amz-target']]
      if (operation === undefined) throw new KmsError('UnknownOperationException')
      respond(200, operation(await json(request)))
    } catch (error) {
      respond(error instanceof KmsError ? 400 : 500, { __type: error.type ?? 'KMSInternalException' })
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref() // The example ends when its own server is closed.
  return { url: `http://127.0.0.1:${server.address().port}`, encrypt }
}

class KmsError extends Error {
  constructor(type) {
    super(type)
    this.type = type
  }
}
