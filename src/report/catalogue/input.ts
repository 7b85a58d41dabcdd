/** Findings about what is handed to the validator: too much of it, or something else than what was meant. */
import { row } from '../row.js'

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
      'An input of the validator is neither PEM nor DER of what belongs there; what it is instead is recognized.',
    source: 'RFC 7468; RFC 5280 sections 4.1 and 5.1',
    message: ({ input, wanted, holds, line, labels }) =>
      `The option "${input}" holds ${HOLDS[holds].what}${labels.length === 0 ? '' : ` (${labels.join(', ')})`}${line === null ? '' : ` on line ${String(line)}`}, not a ${wanted} in PEM or DER.`,
    remedy: ({ holds }) => HOLDS[holds].remedy,
  }),
  'input/too-many': row<Limit>({
    severity: 'error',
    meaning:
      'More was handed over than any chain or bundle has: 2,000 certificates, or 100 CRLs, in all inputs of one validation. The input is not read and nothing is judged, since certificates can be made to exhaust a validator.',
    source: 'a limit of this package; the largest bundles of public CAs have a few hundred',
    message: ({ input, wanted, limit }) =>
      `With the option "${input}" there are more than ${limit.toLocaleString('en-US')} ${wanted}s; it was not read to its end, and nothing was judged.`,
    remedy: ({ wanted }) =>
      wanted === 'CRL'
        ? 'Give only the newest CRL of each CA in the path.'
        : 'Give only the leaf, the intermediates above it, and the CAs that it may lead to.',
  }),
  'input/too-large': row<Limit & { octets: number }>({
    severity: 'error',
    meaning:
      'The inputs of one validation are far larger than any chain, bundle or list, so they are not read and nothing is judged.',
    source: 'a limit of this package: 4 MiB of certificates, twice the largest CRL file of CRLs',
    message: ({ input, wanted, limit, octets }) =>
      `With the option "${input}" there are ${octets.toLocaleString('en-US')} octets of ${wanted}s, and at most ${limit.toLocaleString('en-US')} are read; nothing was judged.`,
    remedy: ({ wanted }) =>
      wanted === 'CRL'
        ? 'Give only the newest CRL of each CA in the path.'
        : 'Give only the leaf, the intermediates above it, and the CAs that it may lead to.',
  }),
  'input/cut-short': row<{ input: string; faults: number }>({
    severity: 'error',
    meaning: 'An input has so many faults that the rest of it was not read, and nothing was judged.',
    source: 'a limit of this package: 100 faults of one input are told',
    message: ({ input, faults }) =>
      `The option "${input}" has more than ${String(faults)} faults; the rest of it was not read, and nothing was judged.`,
    remedy: () => 'Mend the faults that are told; one cause is mostly behind them all.',
  }),
}

const TAKE_APART = 'Take it apart: '

const HOLDS: Readonly<Record<SomethingElse, { what: string; remedy: string }>> = {
  certificate: { what: 'a certificate', remedy: 'Give it as "leaf", "intermediates" or "trustAnchors".' },
  CRL: { what: 'a CRL', remedy: 'Give it as "crls", and the certificate here.' },
  'certificate request': {
    what: 'a certificate request (CSR)',
    remedy:
      'Have the CA sign it ("openssl x509 -req -in FILE -CA ca.crt -CAkey ca.key -copy_extensions copy"), and give the certificate that comes back.',
  },
  'private key': { what: 'a private key', remedy: 'Give the certificate; its private key is not needed here.' },
  'encrypted private key': {
    what: 'an encrypted private key',
    remedy: 'Give the certificate; its private key is not needed here.',
  },
  'public key': {
    what: 'a public key',
    remedy: 'Give the whole certificate: a bare key has no name and no signature of a CA.',
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
  'SSH key': { what: 'a key of SSH', remedy: 'Give an X.509 certificate: keys of SSH have no use in TLS.' },
  OpenPGP: { what: 'a block of OpenPGP', remedy: 'If it is an encrypted or signed file, use "gpg --decrypt FILE".' },
  'UTF-16': {
    what: 'text in UTF-16, as Windows PowerShell writes with ">"',
    remedy: 'Convert it: "iconv -f UTF-16 -t UTF-8 FILE > new.pem".',
  },
  JSON: { what: 'JSON', remedy: 'Take the PEM text out of it ("jq -r .FIELD FILE").' },
  HTML: {
    what: 'a web page (HTML)',
    remedy: 'Download the file again and look at the answer; with curl, use "--fail".',
  },
  base64: {
    what: 'base64 without BEGIN and END lines',
    remedy: "Decode it: Buffer.from(text, 'base64') gives what is inside.",
  },
  'DER read as text': {
    what: 'DER that was read as text, which destroyed it',
    remedy: "Read the file as octets, without 'utf8'.",
  },
  'escaped line breaks': {
    what: 'PEM text whose line breaks are written as the two characters "\\n"',
    remedy: "Replace them: text.replaceAll('\\\\n', '\\n').",
  },
  'lost line breaks': {
    what: 'PEM text that lost its line breaks',
    remedy: 'Write it again with its line breaks: quote the variable in the shell ("$CERT"), use a "|" block in YAML.',
  },
  'file name': {
    what: "what looks like a file's name",
    remedy: 'Read the file first, or use inspectCredentials with fromFiles.',
  },
  nothing: { what: 'nothing but white space', remedy: 'Check the file or variable that it was read from.' },
  'other blocks': { what: 'other PEM blocks', remedy: 'Give PEM ("-----BEGIN CERTIFICATE-----") or DER.' },
  'other text': { what: 'other text', remedy: 'Give PEM ("-----BEGIN CERTIFICATE-----") or DER.' },
  'other octets': { what: 'other binary data', remedy: 'Give PEM ("-----BEGIN CERTIFICATE-----") or DER.' },
}
