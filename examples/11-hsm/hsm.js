import pkcs11js from 'pkcs11js'

/** The DER DigestInfo of SHA-256, without the digest. CKM_RSA_PKCS only adds padding, so the caller adds this. */
const SHA256_DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex')

/**
 * The errors of devices for a wrong ciphertext. SoftHSM returns CKR_GENERAL_ERROR. A wrong ciphertext must never look like a failure of the
 * device: the two have different responses, and an attacker could decrypt messages by trying many ciphertexts.
 */
const WRONG_CIPHERTEXT = [
  pkcs11js.CKR_ENCRYPTED_DATA_INVALID,
  pkcs11js.CKR_ENCRYPTED_DATA_LEN_RANGE,
  pkcs11js.CKR_DATA_INVALID,
  pkcs11js.CKR_DATA_LEN_RANGE,
  pkcs11js.CKR_FUNCTION_FAILED,
  pkcs11js.CKR_GENERAL_ERROR,
]

/**
 * Opens a token of an HSM, and returns its RSA key with the label `keyLabel`: it signs and decrypts, and never leaves the device.
 * `module` is the PKCS#11 library of the manufacturer.
 */
export function openHsm({ module, tokenLabel, keyLabel, pin }) {
  const pkcs11 = new pkcs11js.PKCS11()
  pkcs11.load(module)
  pkcs11.C_Initialize({ flags: pkcs11js.CKF_OS_LOCKING_OK })
  const slot = pkcs11.C_GetSlotList(true).find((one) => pkcs11.C_GetTokenInfo(one).label.trim() === tokenLabel)
  if (slot === undefined) throw new Error(`The HSM has no token "${tokenLabel}". Check PKCS11_TOKEN.`)

  const openSession = () => pkcs11.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION)
  // A login is valid for all sessions of the process, until the last one is closed.
  const first = openSession()
  pkcs11.C_Login(first, pkcs11js.CKU_USER, pin)
  const key = findPrivateKey(pkcs11, first, keyLabel)

  const [{ value: modulus }] = pkcs11.C_GetAttributeValue(first, key, [{ type: pkcs11js.CKA_MODULUS }])

  // A session does one operation at a time: orders that arrive together use several sessions. `first` stays open for the login.
  const idle = []
  async function withSession(operation) {
    const session = idle.pop() ?? openSession()
    try {
      const result = await operation(session)
      idle.push(session)
      return result
    } catch (error) {
      // After an error, the operation may still be active in this session, and the next one would fail with CKR_OPERATION_ACTIVE.
      pkcs11.C_CloseSession(session)
      throw error
    }
  }

  return {
    signer: {
      algorithm: 'RSA256',
      signDigest: (digest) =>
        withSession((session) => {
          pkcs11.C_SignInit(session, { mechanism: pkcs11js.CKM_RSA_PKCS }, key)
          return pkcs11.C_SignAsync(session, Buffer.concat([SHA256_DIGEST_INFO, digest]), Buffer.alloc(512))
        }),
      async decrypt(bytes) {
        if (bytes.length !== modulus.length) return undefined
        try {
          return await withSession((session) => {
            pkcs11.C_DecryptInit(session, { mechanism: pkcs11js.CKM_RSA_PKCS }, key)
            return pkcs11.C_DecryptAsync(session, Buffer.from(bytes), Buffer.alloc(512))
          })
        } catch (error) {
          // undefined: the ciphertext is wrong, and a retry changes nothing. Otherwise the device failed: AlipayHK retries.
          if (WRONG_CIPHERTEXT.includes(error.code)) return undefined
          throw error
        }
      },
    },
    close() {
      pkcs11.C_Finalize()
      pkcs11.close()
    },
  }
}

function findPrivateKey(pkcs11, session, label) {
  pkcs11.C_FindObjectsInit(session, [
    { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY },
    { type: pkcs11js.CKA_LABEL, value: label },
  ])
  try {
    const [key] = pkcs11.C_FindObjects(session, 1)
    if (key === undefined) throw new Error(`The token has no private key "${label}". Check PKCS11_KEY.`)
    return key
  } finally {
    pkcs11.C_FindObjectsFinal(session)
  }
}
