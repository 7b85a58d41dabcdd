/** Which findings a caller may ask not to see: warnings and infos. */
import type { FindingCode } from '../report/finding.js'
import { rows } from './finding.js'

/** The warnings and infos of other rooms by code; a test keeps the list whole. Their rows would be a lot to load for that. */
const OF_OTHER_ROOMS: Readonly<Record<string, string>> = {
  'ca-roll': 'trust-hidden',
  config: `advertise-unreachable advisory allowed-cn-as-subject auto-tls ca-expired cipher-suite-weak
    cipher-suites-unusable client-auth-implied crl-form crl-of-other-ca crl-stale crl-undocumented discovery-unprotected
    gateway-refused ignored-with-file keys-beyond-2030 member-not-allowed member-not-listed members-differ
    metrics-address-check metrics-plaintext not-checked nothing-set option-dangerous option-ignored
    option-of-other-version option-repeated peer-address-unprovable plaintext-local space-in-list
    suppression-without-effect tls-unused volume-missing yaml-several-documents`,
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
