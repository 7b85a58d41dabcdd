/** What an input of the validator is, where it is neither PEM nor DER of what belongs there. */
import { type BlockKind, kindOfLabel } from '../credentials/labels.js'
import type { Content } from '../credentials/recognize.js'
import type { SomethingElse } from '../report/catalogue/input.js'

/** Contents without any block of PEM. */
export function elseOfContent(content: Exclude<Content, { kind: 'pem' }>): SomethingElse {
  switch (content.kind) {
    case 'blank':
      return 'nothing'
    case 'der':
      return content.holds ?? 'DER read as text'
    case 'utf-16':
      return 'UTF-16'
    case 'json':
      return 'JSON'
    case 'html':
      return 'HTML'
    case 'java-key-store':
      return 'Java key store'
    case 'ssh':
      return 'SSH key'
    case 'base64':
      return 'base64'
    case 'line-breaks-escaped':
      return 'escaped line breaks'
    case 'line-breaks-lost':
      return 'lost line breaks'
    case 'file-name':
      return 'file name'
    case 'other':
      return content.binary ? 'other octets' : 'other text'
  }
}

const OF_BLOCKS: Readonly<Record<BlockKind, SomethingElse>> = {
  certificate: 'certificate',
  'old-certificate': 'certificate',
  'private-key': 'private key',
  'foreign-key': 'private key',
  'public-key': 'public key',
  request: 'certificate request',
  crl: 'CRL',
  pkcs7: 'PKCS#7 bundle',
  openssh: 'SSH key',
  pgp: 'OpenPGP',
  'key-parameters': 'other blocks',
  other: 'other blocks',
}

/** A block of PEM under another label than those that belong there. */
export function elseOfLabel(label: string): SomethingElse {
  return OF_BLOCKS[kindOfLabel(label)]
}
