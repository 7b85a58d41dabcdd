/** Findings about whole inputs: unexpected content, or too much of it. */
import { error, type Wording } from '../row.js'
import { listed } from '../words.js'
import { byteCount, inShell, type MaterialRole, type Place, originText, acceptedContent } from './place.js'

/** The content that an input requires: the role in credentials, or for the validator a certificate or CRL in any form. */
export type Wanted = MaterialRole | 'certificate' | 'CRL'

export type Holds = keyof typeof CONTENTS

export interface UnexpectedContent extends Place {
  wanted: Wanted
  holds: Holds
  /** The encoding; null if there is only one. */
  form: 'PEM' | 'DER' | 'base64' | null
  /** The line of the PEM block; null if absent. */
  line: number | null
  /** The labels of the PEM blocks. */
  labels: string[]
}

/** A limit that an input exceeded. */
export interface TooMuch extends Place {
  wanted: Wanted
  /** `faults`: reading stopped after the limit of faults. */
  unit: 'bytes' | 'blocks' | 'certificates' | 'CRLs' | 'faults'
  limit: number
  /** Null if they were not counted. */
  count: number | null
}

export const input = {
  'input/unexpected-content': error((d: UnexpectedContent, _who, wording) => {
    const where = d.line === null ? '' : ` on line ${String(d.line)}`
    const blocks = d.labels.length === 0 ? '' : ` (${listed(d.labels)})`
    const how = d.form === 'DER' ? ' in DER' : d.form === 'base64' ? ' in base64 without BEGIN and END lines' : ''
    return [
      `${originText(d)} holds ${CONTENTS[d.holds][0]}${how}${blocks}${where}, not ${acceptedContent(d.wanted)}.`,
      remedyFor(d, wording),
    ]
  }),
  'input/too-much': error((d: TooMuch) => [
    `${originText(d)} ${d.count === null ? 'holds more' : `holds ${quantity(d.count, d.unit)}, more`} than ${quantity(d.limit, d.unit)}. The rest was not read.`,
    d.unit === 'faults'
      ? 'Fix the reported faults first: they usually have one cause.'
      : d.wanted === 'CRL' || d.wanted === 'crl'
        ? 'Pass only the newest CRL of each CA in the path.'
        : d.wanted === 'certificate'
          ? 'Pass only the leaf, the intermediates above it, and the CAs to trust.'
          : `Pass ${acceptedContent(d.wanted)} and nothing else.`,
  ]),
}

function quantity(count: number, unit: TooMuch['unit']): string {
  return unit === 'bytes' ? byteCount(count) : `${count.toLocaleString('en-US')} ${unit}`
}

/** The inputs that accept a content, and the openssl command that converts it from DER to PEM. */
const CONVERSIONS: Readonly<Partial<Record<Holds, { readonly inputs: readonly Wanted[]; readonly command: string }>>> =
  {
    certificate: { inputs: ['ca', 'cert', 'certificate'], command: 'x509' },
    'private key': { inputs: ['key'], command: 'pkey' },
    'encrypted private key': { inputs: ['key'], command: 'pkey' },
    CRL: { inputs: ['crl', 'CRL'], command: 'crl' },
    'certificate request': { inputs: ['request'], command: 'req' },
  }

const PKCS12_ARGUMENTS: Readonly<Partial<Record<Wanted, string>>> = {
  ca: '-cacerts -nokeys -out ca.pem',
  cert: '-clcerts -nokeys -out cert.pem',
  key: '-nocerts -noenc -out key.pem',
  request: '-nocerts -noenc -out key.pem" and make a request for it: "openssl req -new -key key.pem -subj /CN=NAME',
}

/** An explanation of the accepted content. */
const EXPLANATIONS: Readonly<Partial<Record<Wanted, string>>> = {
  key: ': a block "PRIVATE KEY", "EC PRIVATE KEY" or "RSA PRIVATE KEY"',
  crl: ' ("openssl ca -gencrl" creates one)',
  request: ' ("openssl req -new -key KEY -subj /CN=NAME -out NAME.csr" creates one)',
}

function remedyFor(d: UnexpectedContent, { name }: Wording): string {
  const { holds, form, wanted: role } = d
  const file = inShell(d)
  const conversion = CONVERSIONS[holds]
  if (form === 'base64' && holds === 'PEM') return `Decode it: "base64 -d ${file} > new.pem".`
  if (conversion?.inputs.includes(role) === true && (form === 'DER' || form === 'base64')) {
    const command = `openssl ${conversion.command} -inform der`
    return `Convert it: "${form === 'DER' ? `${command} -in ${file}` : `base64 -d ${file} | ${command}`} -out new.pem".`
  }
  const pass = `Pass ${acceptedContent(role)}${EXPLANATIONS[role] ?? ''}.`
  const [, remedy] = CONTENTS[holds]
  return remedy?.({ file, role, pass, isText: d.file === null, name }) ?? pass
}

interface RemedyDetails extends Pick<Wording, 'name'> {
  /** As an argument of a shell command. */
  readonly file: string
  readonly role: Wanted
  /** The default remedy. */
  readonly pass: string
  /** Whether a string was passed, not a file. */
  readonly isText: boolean
}

const privateKeyRemedy = ({ role, pass, name }: RemedyDetails): string =>
  `${pass} ${role === 'certificate' || role === 'CRL' ? 'The private key is not needed here' : `Pass the private key as ${name('key')}`}.`
const utf16Remedy =
  (encoding: string) =>
  ({ file }: RemedyDetails): string =>
    `Convert it: "iconv -f ${encoding} -t UTF-8 ${file} > new.pem".`

/** The name of a content in a message, and its remedy if it differs from the default. */
type Content = readonly [what: string, remedy?: (details: RemedyDetails) => string]

/** A function, so that the .d.ts file declares the keys and not the messages. */
function contents<K extends string>(table: Readonly<Record<K, Content>>): Readonly<Record<K, Content>> {
  return table
}

const CONTENTS = contents({
  certificate: ['a certificate'],
  'certificate under an old label': [
    'a certificate under an old label',
    ({ file }) => `Convert it to a plain certificate: "openssl x509 -in ${file} -out new.pem".`,
  ],
  CRL: ['a CRL', ({ role, pass }) => `${pass} Pass the CRL as "${role === 'certificate' ? 'crls' : 'crl'}".`],
  'certificate request': [
    'a certificate request',
    ({ role, file, pass }) =>
      role === 'cert' || role === 'certificate'
        ? `Have the CA sign it ("openssl x509 -req -in ${file} -CA ca.crt -CAkey ca.key -copy_extensions copy -out tls.crt"), and pass the certificate that it returns.`
        : pass,
  ],
  'private key': ['a private key', privateKeyRemedy],
  'encrypted private key': ['an encrypted private key', privateKeyRemedy],
  'public key': [
    'a public key',
    ({ role, pass }) =>
      role === 'key'
        ? 'Pass the file that the private key was written to when it was generated.'
        : `${pass} A public key has no name.`,
  ],
  'PKCS#12 key store': [
    'a PKCS#12 key store (.p12, .pfx)',
    ({ file, role }) =>
      `Extract the PEM: "openssl pkcs12 -in ${file} ${PKCS12_ARGUMENTS[role] ?? '-nokeys -out certificates.pem'}".`,
  ],
  'PKCS#7 bundle': [
    'a PKCS#7 bundle (.p7b)',
    ({ file }) =>
      `Extract the certificates: "openssl pkcs7 -print_certs -in ${file} -out certificates.pem" (with "-inform der" if it is binary).`,
  ],
  'SSH private key': [
    'a private key in SSH format',
    ({ file }) =>
      `Pass the key of the certificate. If it is this one, convert a copy: "ssh-keygen -p -m PKCS8 -f ${file}".`,
  ],
  'SSH public key': ['a public key in SSH format', ({ pass }) => `${pass} TLS does not use public keys of SSH.`],
  'OpenPGP block': [
    'an OpenPGP block',
    ({ pass, file }) => `${pass} If the block is an encrypted or signed file, run "gpg --decrypt ${file}".`,
  ],
  'UTF-16 text': ['text in UTF-16', utf16Remedy('UTF-16')],
  'UTF-16LE text': ['text in UTF-16', utf16Remedy('UTF-16LE')],
  'UTF-16BE text': ['text in UTF-16', utf16Remedy('UTF-16BE')],
  'cfssl output': [
    'JSON, as cfssl prints it',
    ({ file, role }) =>
      `Split it: "cfssljson -f ${file} -bare name" writes ${role === 'request' ? 'name.csr' : 'name.pem'} and name-key.pem.`,
  ],
  JSON: [
    'JSON',
    ({ file, role }) => `Extract the PEM text ("jq -r .FIELD ${file}"), and pass ${acceptedContent(role)}.`,
  ],
  PEM: ['PEM'],
  'escaped line breaks': [
    'PEM text with "\\n" in place of line breaks',
    ({ isText, file }) =>
      isText
        ? `Replace them before the call: text.replaceAll('\\\\n', '\\n').`
        : `Replace them: "sed -i 's/\\\\n/\\n/g' ${file}".`,
  ],
  'lost line breaks': [
    'PEM text without line breaks',
    () => 'Write it again with its line breaks: quote the variable in the shell ("$CERT"), or use a "|" block in YAML.',
  ],
  'file name': [
    'the name of a file',
    ({ isText }) =>
      isText
        ? 'Read the file and pass its contents, or use fromFiles, which accepts file names.'
        : 'Pass the file that is named in it.',
  ],
  'contents of a file': ['the contents of a file', () => 'Pass the path of a file, or pass the text to fromPem.'],
  nothing: ['nothing but white space'],
  'other DER': ['other data'],
  'other blocks': ['other PEM blocks'],
  'other text': ['text without a "-----BEGIN …-----" line'],
  'other binary data': ['other binary data'],
})
