/** Which findings a caller may ask not to see: warnings and infos. */
import type { FindingCode } from '../report/finding.js'
import { rows } from './finding.js'

/** The warnings and infos of other rooms by code; a test keeps the list whole. Their rows would be a lot to load for that. */
const OF_OTHER_ROOMS: ReadonlySet<unknown> = new Set<FindingCode>([
  'config/address-check-off',
  'config/advertise-port',
  'config/advertise-tls',
  'config/advertise-unreachable',
  'config/advisory',
  'config/allowed-breaks-gateway',
  'config/auto-tls',
  'config/auto-tls-ignored',
  'config/client-auth-off',
  'config/crl-form-ahead',
  'config/file-elsewhere',
  'config/flag-repeated',
  'config/gateway-untrusted',
  'config/ignored-beside-file',
  'config/key-of-other-version',
  'config/key-repeated',
  'config/key-unknown',
  'config/members-differ',
  'config/metrics-address-check',
  'config/metrics-plaintext',
  'config/option-deprecated',
  'config/peer-address-unprovable',
  'config/peer-auth-implied',
  'config/plaintext-loopback',
  'config/plaintext-loopback-bypass',
  'config/tls-unused',
  'config/value-unresolved',
  'config/variable-unknown',
  'config/yaml-several-documents',
  'credentials/anchor-is-no-ca',
  'credentials/block-ignored',
  'credentials/certificate-in-key-file',
  'credentials/duplicate-certificate',
  'credentials/key-in-certificate-file',
  'discovery/insecure-dropped',
  'discovery/record-unusable',
  'environment/extra-cas',
  'environment/proxy',
  'environment/verification-off',
  'file/key-readable-by-others',
  'handshake/client-certificate-not-asked',
  'key/encryption-weak',
  'key/passphrase-unneeded',
  'key/several',
  'login/not-enabled',
  'pem/byte-order-mark',
  'pem/crlf',
  'pem/layout-unusual',
  'pem/text-outside-blocks',
  'rotation/endpoint-left-behind',
  'rotation/unproved',
])

/** True for the code of a warning or an info, whichever room gives it. */
export function isIgnorable(code: unknown): code is FindingCode {
  if (isOwn(code)) return rows[code].severity !== 'error'
  return OF_OTHER_ROOMS.has(code)
}

function isOwn(code: unknown): code is keyof typeof rows {
  return typeof code === 'string' && Object.hasOwn(rows, code)
}
