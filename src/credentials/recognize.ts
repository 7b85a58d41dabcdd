/** Recognizes the format of a file or string by one table. It validates nothing. */
import type { Holds, UnexpectedContent } from '../report/catalogue/contents.js'
import { DER_KINDS, type DerKind, derKind } from '../x509/pem/der-kind.js'
import type { PemScan } from '../x509/pem/pem.js'

/** PEM, or the unexpected content. */
export type Content = { readonly scan: PemScan } | Pick<UnexpectedContent, 'holds' | 'form' | 'line' | 'text'>

/** Bytes or characters that suffice to recognize a format by its start. */
const HEAD_LENGTH = 512

/** Bytes with what the rows of the table need of them. The parts are made on first use: a CRL in DER is long, and not text. */
class Bytes {
  readonly bytes: Buffer
  readonly #scanned: () => PemScan
  #der: DerKind | null | undefined
  #text: string | undefined
  #scan: PemScan | undefined
  #inner: { readonly content: Bytes; readonly layers: 1 | 2 } | undefined

  constructor(bytes: Buffer, scanned: () => PemScan) {
    this.bytes = bytes
    this.#scanned = scanned
  }

  get der(): DerKind | null {
    if (this.#der === undefined) this.#der = derKind(this.bytes)
    return this.#der
  }

  get text(): string {
    return (this.#text ??= this.bytes.toString('utf8').replace(/^\ufeff/, ''))
  }

  get head(): string {
    return this.text.slice(0, HEAD_LENGTH).trimStart()
  }

  get scan(): PemScan {
    return (this.#scan ??= this.#scanned())
  }

  /** The line of a PEM block without line breaks; null if the text has no such block. */
  get oneLine(): number | null {
    return this.scan.problems.find((each) => each.kind === 'one-line')?.line ?? null
  }

  /** The contents of base64 without boundaries, or of base64 in base64; empty if it is not base64. */
  get inner(): { readonly content: Bytes; readonly layers: 1 | 2 } {
    this.#inner ??= this.#readInner()
    return this.#inner
  }

  get base64(): Bytes {
    return this.inner.content
  }

  #readInner(): { readonly content: Bytes; readonly layers: 1 | 2 } {
    const once = this.decoded()
    const twice = once.bytes.length > 0 && once.der === null ? once.decoded() : null
    return twice !== null && twice.bytes.length > 0 ? { content: twice, layers: 2 } : { content: once, layers: 1 }
  }

  decoded(): Bytes {
    return new Bytes(Buffer.from(/[^A-Za-z0-9+/=\s]/.test(this.text) ? '' : this.text, 'base64'), this.#scanned)
  }
}

/** What programs write in place of a value that is missing, masked or not chosen. At most 20 characters, so that it can be shown. */
const PLACEHOLDER =
  /^(?:null|undefined|nil|none|nan|true|false|todo|change[-_ ]?me|replace[-_ ]?me|[[(<]?(?:redacted|masked|sensitive|sensitive value|hidden)[\])>]?|\[object Object\]|[*x.•]{3,20}|<[\w .-]{1,18}>)$/i
/** The start of a reference that another program replaces by a secret: vals, bank-vaults, 1Password, Azure and others. */
const REFERENCE =
  /^(?:ref\+\w{1,12}:|(?:vault|bao|op|env|arn|ssm|awssm|aws-sm|gcpsm|gcp-sm|akv|secretsmanager):|@Microsoft\.KeyVault\()/

/** A value that is one expression of a template: of a shell, Kubernetes, Windows, Terraform, ERB, Jinja, or of a task that replaces tokens. */
const EXPRESSION = /^(?:\$\w+|\$\(\w+\)|[$#]\{[^{}]{1,500}\}#?|%\w+%|<%[^%]{1,500}%>|\{%[^%]{1,500}%\}|__\w+__|@\w+@)$/

interface Kind {
  /** Null for PEM, of which the scan reports the faults. */
  readonly holds: Holds | null
  readonly form?: UnexpectedContent['form']
  readonly is: (content: Bytes) => boolean
}

/** Objects of sealed-secrets, external-secrets, cert-manager, the CSI driver and the operator of Vault: they have no values. */
const SECRET_SOURCE =
  /^(?:SealedSecret|(?:Cluster)?ExternalSecret|Certificate|SecretProviderClass|Vault\w{1,20}Secret)$/

const isJson = ({ head }: Bytes): boolean => head.startsWith('{') || head.startsWith('[')
const objectKind = ({ text }: Bytes): string | undefined =>
  /^kind: *["']?(\w+)["']?[ \t\r]*$/m.exec(text)?.[1] ?? /"kind": ?"(\w+)"/.exec(text)?.[1]

/** Text has no NUL and no replacement characters. */
const isBinary = ({ bytes, head }: Bytes): boolean =>
  bytes.subarray(0, HEAD_LENGTH).includes(0) || head.includes('\ufffd')
/** "<no value>" is what Go writes for a value that is missing. */
const isTemplate = ({ text }: Bytes): boolean => /\{\{(?!\s*\})|<no value>/.test(text) || EXPRESSION.test(text.trim())

/** The first row that applies decides. */
export const KINDS: readonly Kind[] = [
  { holds: 'UTF-16 text', is: ({ bytes }) => utf16(bytes) === 'marked' },
  { holds: 'UTF-16LE text', is: ({ bytes }) => utf16(bytes) === 'little-endian' },
  { holds: 'UTF-16BE text', is: ({ bytes }) => utf16(bytes) === 'big-endian' },
  { holds: 'empty string', is: ({ bytes }) => bytes.length === 0 },
  { holds: 'NUL bytes', is: ({ bytes }) => bytes.every((each) => each === 0) },
  ...DER_KINDS.map((kind): Kind => ({ holds: kind, form: 'DER', is: ({ der }) => der === kind })),
  // DER that was decoded as UTF-8: "0" and a replacement character.
  { holds: 'other DER', form: 'DER', is: ({ bytes }) => bytes.subarray(0, 4).equals(Buffer.from('0\ufffd')) },
  { holds: 'nothing', is: ({ text }) => text.trim() === '' },
  // Archives may hold PEM blocks as they are.
  { holds: 'gzip file', is: ({ bytes }) => startsWith(bytes, '1f8b') },
  { holds: 'zip archive', is: ({ bytes }) => startsWith(bytes, '504b0304') },
  { holds: 'tar archive', is: ({ bytes }) => bytes.toString('latin1', 257, 262) === 'ustar' },
  { holds: 'Java key store', is: ({ bytes }) => startsWith(bytes, 'feedfeed') || startsWith(bytes, 'cececece') },
  { holds: 'data URI', is: ({ head }) => /^data:[\w/.+-]{0,100}(?:;[\w.=+-]{1,100})*,/i.test(head) },
  // Other contents of a file with PEM blocks are text outside the blocks.
  { holds: null, is: ({ scan }) => scan.blocks.length > 0 },
  { holds: 'Git LFS pointer', is: ({ head }) => head.startsWith('version https://git-lfs.github.com/spec/') },
  { holds: 'PuTTY private key', is: ({ head }) => /^PuTTY-User-Key-File-\d+: (?:ssh-rsa|ecdsa-sha2-)/.test(head) },
  { holds: 'SSH-only private key', is: ({ head }) => head.startsWith('PuTTY-User-Key-File-') },
  { holds: 'description of a certificate', is: ({ head }) => /^Certificate:\s+Data:/.test(head) },
  { holds: 'description of a Secret', is: ({ text }) => /^Type: +\S/m.test(text) && /^Data\r?\n====/m.test(text) },
  { holds: 'ansible-vault file', is: ({ head }) => head.startsWith('$ANSIBLE_VAULT;') },
  { holds: 'age file', is: ({ head }) => head.startsWith('age-encryption.org/v1') },
  { holds: 'SOPS file', is: ({ text }) => text.includes('ENC[AES256_GCM,') },
  { holds: 'PKCS#11 URI', is: ({ head }) => isPkcs11Uri(head) },
  { holds: 'template', is: (content) => !isBinary(content) && isTemplate(content) },
  { holds: 'shell command', is: ({ text }) => /^(?:\$\([^()]{1,500}\)|`[^`]{1,500}`)$/.test(text.trim()) },
  { holds: 'placeholder', is: ({ text }) => PLACEHOLDER.test(text.trim()) },
  { holds: 'reference', is: ({ text }) => REFERENCE.test(text.trim()) },
  { holds: 'kubeconfig', is: (content) => objectKind(content) === 'Config' },
  { holds: 'source of a Secret', is: (content) => SECRET_SOURCE.test(objectKind(content) ?? '') },
  { holds: 'web page', is: ({ head }) => /^<(?:!doctype html|html|head)\b/i.test(head) },
  { holds: 'Secret manifest in JSON', is: (content) => isJson(content) && objectKind(content) === 'Secret' },
  { holds: 'Secret manifest', is: (content) => objectKind(content) === 'Secret' },
  { holds: 'Vault output', is: (content) => isJson(content) && content.text.includes('"issuing_ca"') },
  // `cfssl genkey`, `gencert` and `selfsign` print an object with these members.
  { holds: 'cfssl output', is: ({ head }) => /^\{\s*"(?:cert|csr|key)": ?"-----BEGIN /.test(head) },
  { holds: 'JWK', is: (content) => isJson(content) && /"kty" ?: ?"/.test(content.text) },
  { holds: 'JSON', is: isJson },
  {
    holds: 'SSH public key',
    is: ({ head }) => /^(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) /.test(head),
  },
  { holds: 'escaped line breaks', is: ({ oneLine, text }) => oneLine !== null && /-----(?:\\r)?\\n/.test(text) },
  { holds: 'lost line breaks', is: ({ oneLine }) => oneLine !== null },
  { holds: null, is: ({ scan }) => scan.problems.length > 0 },
  { holds: 'PEM', form: 'base64', is: ({ base64 }) => base64.head.includes('-----BEGIN ') },
  { holds: 'gzip file', form: 'base64', is: ({ base64 }) => startsWith(base64.bytes, '1f8b') },
  ...DER_KINDS.map((kind): Kind => ({ holds: kind, form: 'base64', is: ({ base64 }) => base64.der === kind })),
  { holds: 'file name', is: ({ text }) => looksLikeFileName(text) },
  { holds: 'other binary data', is: isBinary },
  { holds: 'other text', is: () => true },
]

/** @param scan Called only for text. */
export function recognize(bytes: Buffer, scan: () => PemScan): Content {
  const content = new Bytes(bytes, scan)
  const { holds = null, form = null } = KINDS.find(({ is }) => is(content)) ?? {}
  if (holds === null) return { scan: content.scan }
  const isTwice = form === 'base64' && content.inner.layers === 2
  const shown = holds === 'placeholder' ? PLACEHOLDER : holds === 'reference' ? REFERENCE : null
  const [text] = holds === 'source of a Secret' ? [objectKind(content)] : (shown?.exec(content.text.trim()) ?? [])
  const line = holds === 'lost line breaks' ? content.oneLine : null
  return { holds, form: isTwice ? 'double base64' : form, line, ...(text === undefined ? {} : { text }) }
}

function startsWith(bytes: Buffer, magic: string): boolean {
  return bytes.toString('hex', 0, magic.length / 2) === magic
}

/** Recognizes a byte order mark, or letters with a zero byte next to each. */
function utf16(bytes: Buffer): 'marked' | 'little-endian' | 'big-endian' | null {
  const [first, second] = bytes
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return 'marked'
  // If a program decoded the file as UTF-8, the byte order mark became two replacement characters.
  const start = bytes.subarray(0, 6).equals(Buffer.from('\ufffd\ufffd')) ? 6 : 0
  const letter = bytes
    .subarray(start, start + HEAD_LENGTH)
    .toString('latin1')
    .indexOf('E\0G\0I\0N')
  if (letter === -1) return null
  if (start > 0) return 'marked'
  // Little-endian: the letter precedes its zero byte.
  return letter % 2 === 0 ? 'little-endian' : 'big-endian'
}

/** True for one line in the form of a path, or with the extension of a certificate file. */
function looksLikeFileName(text: string): boolean {
  const line = text.trim()
  if (line.length > 1024 || line.includes('\n')) return false
  return (
    /^(?:~|\.{1,2}|[A-Za-z]:|file:)?[/\\]/.test(line) ||
    /\.(?:pem|crt|cer|key|der|p12|pfx|crl|p7b|txt|json)$/i.test(line)
  )
}

/** RFC 7512. It may contain a PIN. */
export function isPkcs11Uri(text: string): boolean {
  return /^pkcs11:/i.test(text)
}
