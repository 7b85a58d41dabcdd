/** Findings about what is handed to the validator: too much of it, or something else than what was meant. */
import { row } from '../row.js'
import { listed } from '../words.js'

/** What an input of the validator can be by mistake. */
export type SomethingElse =
  | 'certificate'
  | 'CRL'
  | 'certificate request'
  | 'private key'
  | 'encrypted private key'
  | 'public key'
  | 'PKCS#12 key store'
  | 'PKCS#7 bundle'
  | 'Java key store'
  | 'SSH key'
  | 'OpenPGP'
  | 'UTF-16'
  | 'JSON'
  | 'HTML'
  | 'base64'
  | 'DER read as text'
  | 'escaped line breaks'
  | 'lost line breaks'
  | 'file name'
  | 'nothing'
  | 'other blocks'
  | 'other text'
  | 'other octets'

/** What an input must hold. */
export type Wanted = 'certificate' | 'CRL'

/** A limit that an input exceeded. */
export interface Limit {
  /** The option, as `trustAnchors` or `intermediates[2]`. */
  input: string
  wanted: Wanted
  limit: number
}

export const input = {
  'input/something-else': row<{
    input: string
    wanted: Wanted
    holds: SomethingElse
    line: number | null
    labels: string[]
  }>({
    severity: 'error',
    meaning:
      'An input of the validator is not a certificate or CRL in PEM or DER. The finding reports what it is instead.',
    source: 'RFC 7468; RFC 5280 sections 4.1 and 5.1',
    message: ({ input, wanted, holds, line, labels }) =>
      `The option "${input}" holds ${HOLDS[holds].what}${labels.length === 0 ? '' : ` (${listed(labels)})`}${line === null ? '' : ` on line ${String(line)}`}, not a ${wanted} in PEM or DER.`,
    remedy: ({ holds }) => HOLDS[holds].remedy,
  }),
  'input/too-many': row<Limit>({
    severity: 'error',
    meaning:
      'The inputs of one validation hold more than any chain or bundle: more than 200 certificates, or 100 CRLs. Nothing is validated, because certificates can be made to exhaust a validator.',
    source: 'a limit of this package; bundles of public CAs have about 150',
    message: ({ input, wanted, limit }) =>
      `The option "${input}" exceeds the limit of ${limit.toLocaleString('en-US')} ${wanted}s. Nothing was validated.`,
    remedy: ({ wanted }) =>
      wanted === 'CRL'
        ? 'Pass only the newest CRL of each CA in the path.'
        : 'Pass only the leaf, the intermediates above it, and the CAs to trust.',
  }),
  'input/too-large': row<Limit & { octets: number }>({
    severity: 'error',
    meaning: 'The inputs of one validation are far larger than any chain, bundle or CRL. Nothing is validated.',
    source: 'a limit of this package: 1 MiB of certificates, twice the largest CRL file of CRLs',
    message: ({ input, wanted, limit, octets }) =>
      `With the option "${input}" there are ${octets.toLocaleString('en-US')} bytes of ${wanted}s, and the limit is ${limit.toLocaleString('en-US')}. Nothing was validated.`,
    remedy: ({ wanted }) =>
      wanted === 'CRL'
        ? 'Pass only the newest CRL of each CA in the path.'
        : 'Pass only the leaf, the intermediates above it, and the CAs to trust.',
  }),
  'input/cut-short': row<{ input: string; faults: number }>({
    severity: 'error',
    meaning: 'An input has more than 100 faults. The rest of it was not read, and nothing was validated.',
    source: 'a limit of this package: 100 faults of one input are reported',
    message: ({ input, faults }) =>
      `The option "${input}" has more than ${String(faults)} faults. The rest of it was not read, and nothing was validated.`,
    remedy: () => 'Fix the reported faults first: they usually have one cause.',
  }),
}

const TAKE_APART = 'Extract the certificates: '

const HOLDS: Readonly<Record<SomethingElse, { what: string; remedy: string }>> = {
  certificate: { what: 'a certificate', remedy: 'Pass it as "leaf", "intermediates" or "trustAnchors".' },
  CRL: { what: 'a CRL', remedy: 'Pass the CRL as "crls", and a certificate here.' },
  'certificate request': {
    what: 'a certificate request (CSR)',
    remedy:
      'Have the CA sign it ("openssl x509 -req -in FILE -CA ca.crt -CAkey ca.key -copy_extensions copy"), and pass the certificate that it returns.',
  },
  'private key': { what: 'a private key', remedy: 'Pass the certificate. Its private key is not needed here.' },
  'encrypted private key': {
    what: 'an encrypted private key',
    remedy: 'Pass the certificate. Its private key is not needed here.',
  },
  'public key': {
    what: 'a public key',
    remedy: 'Pass the whole certificate: a public key has no name and no signature of a CA.',
  },
  'PKCS#12 key store': {
    what: 'a PKCS#12 key store (.p12, .pfx)',
    remedy: `${TAKE_APART}"openssl pkcs12 -in FILE -nokeys -out certificates.pem".`,
  },
  'PKCS#7 bundle': {
    what: 'a PKCS#7 bundle (.p7b)',
    remedy: `${TAKE_APART}"openssl pkcs7 -print_certs -in FILE -out certificates.pem" (with "-inform der" if it is binary).`,
  },
  'Java key store': {
    what: 'a Java key store (.jks)',
    remedy: `${TAKE_APART}"keytool -exportcert -rfc -keystore FILE -alias NAME -file certificate.pem".`,
  },
  'SSH key': { what: 'an SSH key', remedy: 'Pass an X.509 certificate: TLS does not use SSH keys.' },
  OpenPGP: { what: 'an OpenPGP block', remedy: 'If it is an encrypted or signed file, run "gpg --decrypt FILE".' },
  'UTF-16': {
    what: 'text in UTF-16, as Windows PowerShell writes with ">"',
    remedy: 'Convert it: "iconv -f UTF-16 -t UTF-8 FILE > new.pem".',
  },
  JSON: { what: 'JSON', remedy: 'Extract the PEM text ("jq -r .FIELD FILE").' },
  HTML: {
    what: 'a web page (HTML)',
    remedy: 'Download the file again. With curl, use "--fail" so that an error page is not saved.',
  },
  base64: {
    what: 'base64 without BEGIN and END lines',
    remedy: "Decode it: Buffer.from(text, 'base64') returns the contents.",
  },
  'DER read as text': {
    what: 'DER that was decoded as text and so destroyed',
    remedy: "Read the file as bytes, without 'utf8'.",
  },
  'escaped line breaks': {
    what: 'PEM text whose line breaks are written as the two characters "\\n"',
    remedy: "Replace them: text.replaceAll('\\\\n', '\\n').",
  },
  'lost line breaks': {
    what: 'PEM text that lost its line breaks',
    remedy:
      'Write it again with its line breaks: quote the variable in the shell ("$CERT"), or use a "|" block in YAML.',
  },
  'file name': {
    what: 'what looks like the name of a file',
    remedy: 'Read the file first, or use inspectCredentials with fromFiles.',
  },
  nothing: { what: 'only white space', remedy: 'Check the file or variable that it was read from.' },
  'other blocks': { what: 'other PEM blocks', remedy: 'Pass PEM ("-----BEGIN CERTIFICATE-----") or DER.' },
  'other text': { what: 'other text', remedy: 'Pass PEM ("-----BEGIN CERTIFICATE-----") or DER.' },
  'other octets': { what: 'other binary data', remedy: 'Pass PEM ("-----BEGIN CERTIFICATE-----") or DER.' },
}
