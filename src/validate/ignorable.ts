/** Which findings a caller may ask not to see: warnings and infos. */
import type { FindingCode } from '../report/finding.js'
import { rows } from './finding.js'

/** The warnings and infos of other rooms by code; a test keeps the list whole. Their rows would be a lot to load for that. */
const OF_OTHER_ROOMS: Readonly<Record<string, string>> = {
  'ca-roll': 'trust-hidden',
  config: `address-check-off advertise-not-listened advertise-port advertise-tls advertise-unreachable advisory
    allowed-breaks-gateway allowed-cn-as-subject auto-tls-ignored blank-in-list ca-expired cipher-suite-weak
    cipher-suites-unlike-key client-auth-half crl-form-ahead crl-of-other-ca crl-stale crl-undocumented
    discovery-unprotected file-elsewhere file-not-read flag-repeated gateway-untrusted ignored-beside-file
    key-of-other-version key-repeated key-unknown keys-beyond-2030 member-joined-later members-differ
    metrics-address-check metrics-plaintext nothing-set option-dangerous option-deprecated own-name-not-allowed
    peer-address-unprovable peer-auth-implied plaintext-loopback plaintext-loopback-bypass plaintext-socket-bypass
    suppression-without-effect tls-unused value-unresolved variable-repeated variable-unknown variables-not-read
    volume-missing yaml-several-documents`,
  credentials: 'anchor-is-no-ca block-ignored certificate-in-key-file duplicate-certificate key-in-certificate-file',
  directory: `ca-key-here ca-name-repeated certificate-without-key issuer-not-found key-in-json key-without-certificate
    left-over limit-reached not-looked-at owner-differs serial-repeated unreadable`,
  discovery: 'insecure-dropped record-unusable',
  endpoint: 'address-failed leader no-leader',
  environment: 'extra-cas proxy verification-off',
  file: 'key-readable-by-others',
  handshake: 'client-certificate-not-asked clock-agrees clock-differs server-name',
  key: 'encryption-weak passphrase-unneeded several',
  login: 'not-enabled',
  pem: 'byte-order-mark crlf layout-unusual text-outside-blocks',
  request: `attributes-ignored block-ignored challenge-password common-name-unusable extensions-ignored name-no-host
    names-ignored private-key-beside version-unusual`,
  rotation: 'endpoint-left-behind unproved',
}

/** True for the code of a warning or an info, whichever room gives it. */
export function isIgnorable(code: unknown): code is FindingCode {
  if (isOwn(code)) return rows[code].severity !== 'error'
  const [room = '', ...name] = typeof code === 'string' ? code.split('/') : []
  return Object.hasOwn(OF_OTHER_ROOMS, room) && OF_OTHER_ROOMS[room]?.split(/\s+/).includes(name.join('/')) === true
}

function isOwn(code: unknown): code is keyof typeof rows {
  return typeof code === 'string' && Object.hasOwn(rows, code)
}
