/** Findings about contents that are something else than PEM. */
import { row } from '../row.js'
import { inShell, type MaterialRole, type Place, the, wanted } from './place.js'

type Content = Place & { role: MaterialRole }

export const format = {
  'pem/blank': row<Content>({
    severity: 'error',
    meaning: 'The file or string is empty or holds only white space.',
    source: 'etcd: "failed to find any PEM data in certificate input"',
    message: (place) => `${the(place)} is empty or holds only white space.`,
    remedy: ({ role }) => `Pass ${wanted(role)}.`,
  }),
  'pem/too-large': row<Content & { size: number; limit: number }>({
    severity: 'error',
    meaning: 'The text is far larger than any certificate, key or bundle, so it is not read.',
    source: 'a limit of this package: 4 MiB',
    message: ({ size, limit, ...place }) =>
      `${the(place)} has ${String(size)} bytes; at most ${String(limit)} are read.`,
    remedy: ({ role }) => `Pass ${wanted(role)} and nothing else.`,
  }),
  'pem/no-block': row<Content & { binary: boolean }>({
    severity: 'error',
    meaning: 'The contents are not PEM and are not recognized as another format.',
    source: 'RFC 7468; etcd: "failed to find any PEM data in certificate input"',
    message: ({ binary, ...place }) =>
      `${the(place)} holds no PEM block, but ${binary ? 'binary data' : 'other text'}: there is no "-----BEGIN …-----" line.`,
    remedy: ({ role }) => `Pass ${wanted(role)}.`,
  }),
  'pem/der': row<Content & { holds: string }>({
    severity: 'error',
    meaning:
      'The contents are DER, the binary form. etcd, etcdctl and Node read PEM only, so other programs cannot read the same file.',
    source: 'Go crypto/tls X509KeyPair; Node tls.createSecureContext',
    message: ({ holds, ...place }) => `${the(place)} holds DER (${holds}), not PEM.`,
    remedy: ({ holds, role, ...place }) => {
      const command = FROM_DER[holds]
      return command === undefined
        ? `Pass ${wanted(role)}.`
        : `Convert it: "${command} -in ${inShell(place)} -out new.pem".`
    },
  }),
  'pem/pkcs12': row<Content>({
    severity: 'error',
    meaning: 'The contents are a PKCS#12 key store (.p12, .pfx), which etcd and etcdctl do not read.',
    source: 'RFC 7292',
    message: (place) => `${the(place)} holds a PKCS#12 key store (.p12, .pfx), not PEM.`,
    remedy: ({ role, ...place }) => `Extract the PEM: "openssl pkcs12 -in ${inShell(place)} ${PKCS12[role]}".`,
  }),
  'pem/pkcs7': row<Content>({
    severity: 'error',
    meaning: 'The contents are a PKCS#7 bundle (.p7b), which etcd, etcdctl and Node do not read.',
    source: 'RFC 5652',
    message: (place) => `${the(place)} holds a PKCS#7 bundle (.p7b), not certificates in PEM.`,
    remedy: (place) =>
      `Extract the certificates: "openssl pkcs7 -print_certs -in ${inShell(place)} -out certificates.pem" (with "-inform der" if it is binary).`,
  }),
  'pem/java-key-store': row<Content>({
    severity: 'error',
    meaning: 'The contents are a Java key store (.jks), which only Java reads.',
    source: 'JDK keytool',
    message: (place) => `${the(place)} holds a Java key store (.jks), not PEM.`,
    remedy: (place) =>
      `Convert it: "keytool -importkeystore -srckeystore ${inShell(place)} -destkeystore store.p12 -deststoretype PKCS12", then extract the PEM with "openssl pkcs12 -in store.p12".`,
  }),
  'pem/utf-16': row<Content & { byteOrder: 'little-endian' | 'big-endian'; byteOrderMark: boolean }>({
    severity: 'error',
    meaning: 'The text is in UTF-16, as Windows PowerShell writes with ">"; PEM readers find nothing in it.',
    source: 'RFC 7468 section 2: PEM is ASCII',
    message: ({ byteOrder, ...place }) => `${the(place)} is text in UTF-16 (${byteOrder}); PEM is ASCII.`,
    remedy: ({ byteOrder, byteOrderMark, ...place }) =>
      `Convert it: "iconv -f UTF-16${byteOrderMark ? '' : byteOrder === 'little-endian' ? 'LE' : 'BE'} -t UTF-8 ${inShell(place)} > new.pem"; in PowerShell, write it with "Set-Content -Encoding ascii".`,
  }),
  'pem/json': row<Content & { cfssl: boolean }>({
    severity: 'error',
    meaning: 'The contents are JSON, such as the output of cfssl, with PEM inside its strings.',
    source: 'cfssl: cfssljson takes its output apart',
    message: ({ cfssl, ...place }) => `${the(place)} holds JSON${cfssl ? ', as cfssl prints it' : ''}, not PEM.`,
    remedy: ({ cfssl, role, ...place }) =>
      cfssl
        ? `Split it: "cfssljson -f ${inShell(place)} -bare name" writes ${role === 'request' ? 'name.csr' : 'name.pem'} and name-key.pem.`
        : `Extract the PEM text ("jq -r .FIELD ${inShell(place)}"), and pass ${wanted(role)}.`,
  }),
  'pem/html': row<Content>({
    severity: 'error',
    meaning: 'The contents are a web page: a download ended at a login or error page.',
    source: 'RFC 7468',
    message: (place) => `${the(place)} holds a web page (HTML), not PEM: a download probably failed.`,
    remedy: () => 'Download the file again. With curl, use "--fail" so that an error page is not saved.',
  }),
  'pem/ssh': row<Content & { holds: string }>({
    severity: 'error',
    meaning: 'The contents are a key of SSH, which TLS does not use in that form; neither etcd nor Node reads it.',
    source: 'OpenSSH PROTOCOL.key; RFC 4716',
    message: ({ holds, ...place }) => `${the(place)} holds ${holds} in SSH format, not ${wanted(place.role)}.`,
    remedy: ({ holds, role, ...place }) =>
      holds.includes('private')
        ? `Pass the key that the certificate was requested with. If it is this one, convert a copy of it: "ssh-keygen -p -m PKCS8 -f ${inShell(place)}".`
        : `Pass ${wanted(role)}. TLS does not use public keys of SSH.`,
  }),
  'pem/pgp': row<Content & { label: string }>({
    severity: 'error',
    meaning: 'The contents are an OpenPGP block, which TLS does not use.',
    source: 'RFC 9580 section 6.2',
    message: ({ label, ...place }) => `${the(place)} holds an OpenPGP block ("${label}").`,
    remedy: ({ role, ...place }) =>
      `Pass ${wanted(role)}. If the block is an encrypted or signed file, run "gpg --decrypt ${inShell(place)}".`,
  }),
  'pem/base64-without-boundaries': row<Content & { holds: string }>({
    severity: 'error',
    meaning:
      'The contents are base64 without BEGIN and END lines: a value of a Kubernetes secret that was not decoded, or the inner lines of a PEM block.',
    source: 'RFC 7468; Kubernetes Secret "data"',
    message: ({ holds, ...place }) =>
      `${the(place)} holds base64 without BEGIN and END lines. Decoded, it is ${holds}.`,
    remedy: ({ holds, role, ...place }) => {
      const decode = `base64 -d ${inShell(place)}`
      if (holds === 'PEM') return `Decode it: "${decode} > new.pem".`
      const command = FROM_DER[holds]
      return command === undefined ? `Pass ${wanted(role)}.` : `Convert it: "${decode} | ${command} -out new.pem".`
    },
  }),
  'pem/line-breaks-escaped': row<Content>({
    severity: 'error',
    meaning:
      'The line breaks are written as backslash and "n", as in JSON or in an environment variable, so there is one long line.',
    source: 'RFC 7468 section 2',
    message: (place) => `${the(place)} has each line break written as the two characters "\\n".`,
    remedy: ({ file, ...rest }) =>
      file === null
        ? `Replace them before the call: text.replaceAll('\\\\n', '\\n').`
        : `Replace them: "sed -i 's/\\\\n/\\n/g' ${inShell({ file, ...rest })}" (and remove quotation marks around the text).`,
  }),
  'pem/line-breaks-lost': row<Content & { line: number }>({
    severity: 'error',
    meaning:
      'BEGIN and END are on one line: the line breaks were turned into spaces or dropped, as by an unquoted shell variable or a YAML ">" block.',
    source: 'RFC 7468 section 2; Go encoding/pem and OpenSSL read no such block',
    message: ({ line, ...place }) =>
      `${the(place)} has lost its line breaks: BEGIN and END are both on line ${String(line)}.`,
    remedy: () =>
      'Write it again with its line breaks: quote the variable in the shell ("$CERT"), or use a "|" block in YAML.',
  }),
  'pem/file-name': row<Content>({
    severity: 'error',
    meaning: 'The text looks like the name of a file; fromPem takes the contents of files.',
    source: 'fromPem and fromFiles of this package',
    message: (place) => `${the(place)} holds what looks like the name of a file instead of its contents.`,
    remedy: ({ file }) =>
      file === null
        ? 'Use fromFiles, which accepts file names, or read the file first.'
        : 'Pass the file that is named in it.',
  }),
}

const PKCS12: Record<MaterialRole, string> = {
  ca: '-cacerts -nokeys -out ca.pem',
  cert: '-clcerts -nokeys -out cert.pem',
  key: '-nocerts -noenc -out key.pem',
  crl: '-nokeys -out certificates.pem',
  request: '-nocerts -noenc -out key.pem" and make a request for it: "openssl req -new -key key.pem -subj /CN=NAME',
}

/** The command that turns DER of each kind into PEM. */
const FROM_DER: Readonly<Record<string, string | undefined>> = {
  certificate: 'openssl x509 -inform der',
  'private key': 'openssl pkey -inform der',
  'encrypted private key': 'openssl pkey -inform der',
  CRL: 'openssl crl -inform der',
}
