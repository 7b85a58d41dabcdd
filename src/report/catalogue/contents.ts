/** Contents that an input can hold in place of the expected one: their names, and the commands that convert them. */
import type { Wording } from '../row.js'
import { convert, decodeBase64, privately } from './conversion.js'
import { shellArgument, type MaterialRole, type Place, acceptedContent } from './place.js'

/** The content that an input requires: the role in credentials, or for the validator a certificate or CRL in any form. */
export type Wanted = MaterialRole | 'certificate' | 'CRL'

export type Holds = keyof typeof CONTENTS

export interface UnexpectedContent extends Place {
  wanted: Wanted
  holds: Holds
  /** The encoding; null if there is only one. */
  form: 'PEM' | 'DER' | 'base64' | 'double base64' | null
  /** The line of the PEM block; null if absent. */
  line: number | null
  /** The labels of the PEM blocks. */
  labels: string[]
  /** A placeholder, or the start of a reference: at most 20 characters, which are not a part of a secret. */
  text?: string | undefined
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

/** An explanation of the accepted content. */
const EXPLANATIONS: Readonly<Partial<Record<Wanted, string>>> = {
  key: ': a block "PRIVATE KEY", "EC PRIVATE KEY" or "RSA PRIVATE KEY"',
  crl: ' ("openssl ca -gencrl" creates one)',
  request: ' ("openssl req -new -key KEY -subj /CN=NAME -out NAME.csr" creates one)',
}

export function remedyFor(d: UnexpectedContent, { name }: Wording): string {
  const { holds, wanted: role } = d
  const pass = `Pass ${acceptedContent(role)}${EXPLANATIONS[role] ?? ''}.`
  const details = { ...d, role, pass, isText: d.file === null, name, layers: layersOf(d) }
  const conversion = CONVERSIONS[holds]
  if (conversion?.inputs.includes(role) === true && d.form !== 'PEM') return fromDer(details, conversion.command)
  const [, remedy] = CONTENTS[holds]
  return remedy?.(details) ?? pass
}

/** How often the content is encoded in base64. */
function layersOf({ form }: UnexpectedContent): number {
  return form === 'base64' ? 1 : form === 'double base64' ? 2 : 0
}

interface RemedyDetails extends Pick<Wording, 'name'>, UnexpectedContent {
  readonly role: Wanted
  /** The default remedy. */
  readonly pass: string
  /** Whether a string was passed, not a file. */
  readonly isText: boolean
  readonly layers: number
}

type Command = (input: string, output: string) => string

/** As {@link convert}; the output is as secret as the input: only a key is. */
function write(d: RemedyDetails, command: Command, suffix = '.pem', note = ''): string {
  const run: Command = (input, output) =>
    d.role === 'key' ? privately(command(input, output)) : command(input, output)
  return convert(d, suffix, run, note)
}

const SSH_TO_PKCS8 = "ssh-keygen -q -p -N '' -m PKCS8 -f"

/** The remedy for the file of a key. */
const keyRemedy =
  (command: Command, note = '') =>
  (d: RemedyDetails): string =>
    d.role === 'key' ? write(d, command, '.pem', note) : d.pass

function fromDer(d: RemedyDetails, command: string): string {
  const program = `openssl ${command} -inform der`
  const from = (input: string): string =>
    d.layers === 0 ? `${program} -in ${input}` : `${decodeBase64(input, d.layers)} | ${program}`
  return write(d, (input, output) => `${from(input)} -out ${output}`)
}

/** One file holds all three: the role is a part of the name of each output. */
function extract(d: RemedyDetails, command: Command, note = ''): string {
  return write(d, command, `.${d.role}.pem`, note)
}

/** `-nokeys` alone keeps the intermediates of the certificate. */
const PKCS12_ARGUMENTS: Readonly<Partial<Record<Wanted, string>>> = {
  ca: '-cacerts -nokeys',
  cert: '-nokeys',
  key: '-nocerts -nodes',
  certificate: '-nokeys',
}

const pkcs12Remedy =
  (legacy: string) =>
  (d: RemedyDetails): string => {
    const parts = PKCS12_ARGUMENTS[d.role]
    if (parts === undefined) return d.pass
    return extract(d, (input, output) => {
      const store = d.layers === 0 ? input : `${output}.p12`
      const decode = d.layers === 0 ? '' : `${decodeBase64(input, d.layers)} > ${store} && `
      const command = `${decode}openssl pkcs12${legacy} -in ${store} ${parts} -out ${output}`
      // The decoded store holds the key.
      return d.layers > 0 && d.role !== 'key' ? privately(command) : command
    })
  }

function pkcs7Remedy(d: RemedyDetails): string {
  if (d.role === 'key') return `${d.pass} A PKCS#7 bundle has no private key.`
  const isCms = d.labels.includes('"CMS"')
  return extract(d, (input, output) => {
    const write = `openssl pkcs7 -print_certs -out ${output}`
    if (d.layers > 0) return `${decodeBase64(input, d.layers)} | ${write} -inform der`
    return isCms
      ? `sed 's/ CMS-/ PKCS7-/' ${input} | ${write}`
      : `${write}${d.form === 'DER' ? ' -inform der' : ''} -in ${input}`
  })
}

/** ca_chain is absent if the issuing CA is the root. */
const VAULT_FIELDS: Readonly<Partial<Record<Wanted, string>>> = {
  ca: '.ca_chain // [.issuing_ca] | .[]',
  cert: '.certificate, (.ca_chain // [])[]',
  key: '.private_key',
  certificate: '.certificate',
}

const SECRET_KEYS: Readonly<Partial<Record<Wanted, string>>> = {
  ca: 'ca.crt',
  cert: 'tls.crt',
  key: 'tls.key',
  certificate: 'tls.crt',
}

const secretRemedy =
  (read: (key: string, input: string) => string) =>
  (d: RemedyDetails): string => {
    const key = SECRET_KEYS[d.role]
    if (key === undefined) return d.pass
    const remedy = extract(d, (input, output) => `${read(key, input)} | base64 -d > ${output}`)
    return `${remedy} If the key of the Secret is not ${key}, replace it in the command.`
  }

/** The remedy for an archive. The name of the file in it is not known. */
function memberRemedy(read: string, list: string): (d: RemedyDetails) => string {
  return (d) =>
    extract(
      d,
      (input, output) => `${read} ${input} MEMBER > ${output}`,
      ` with the name of ${acceptedContent(d.role)} as MEMBER (the command ${list} lists the names)`,
    )
}

/** The remedy for what stands for a Secret and has no values. */
function ofCluster(d: RemedyDetails): string {
  const key = SECRET_KEYS[d.role]
  if (key === undefined) return d.pass
  const command = `kubectl get secret NAME -o jsonpath='{.data.${key.replace('.', '\\.')}}' | base64 -d > ${key}`
  return `Run "${d.role === 'key' ? privately(command) : command}" with the name of the Secret as NAME, and pass ${key} instead.`
}

/** The files in which kubeadm keeps what an etcd client needs. */
const KUBEADM_FILES: Readonly<Partial<Record<Wanted, string>>> = {
  ca: 'etcd/ca.crt',
  cert: 'apiserver-etcd-client.crt',
  key: 'apiserver-etcd-client.key',
}

const privateKeyRemedy = ({ role, pass, name }: RemedyDetails): string =>
  `${pass} ${role === 'certificate' || role === 'CRL' ? 'The private key is not needed here' : `Pass the private key as ${name('key')}`}.`
const utf16Remedy =
  (encoding: string) =>
  (d: RemedyDetails): string =>
    write(d, (input, output) => `iconv -f ${encoding} -t UTF-8 ${input} > ${output}`)
const decrypted =
  (program: string) =>
  (d: RemedyDetails): string =>
    convert(d, '.pem', (input, output) => privately(`${program} ${input} > ${output}`))

/** The name of a content in a message, and its remedy if it differs from the default. */
type Content = readonly [what: string, remedy?: (details: RemedyDetails) => string]

/** For a path in which a string made control characters of `\t` and others. */
export const ESCAPES =
  'Write "/" or "\\\\" for each "\\" of the path: in a string of JavaScript, or in double quotes in YAML or a .env file, "\\t" is a tab and "\\n" a line break.'

/** A function, so that the .d.ts file declares the keys and not the messages. */
function contents<K extends string>(table: Readonly<Record<K, Content>>): Readonly<Record<K, Content>> {
  return table
}

export const CONTENTS = contents({
  certificate: ['a certificate'],
  'certificate under an old label': [
    'a certificate under an old label',
    (d) =>
      convert(
        d,
        '.pem',
        // Reads every certificate of the file, whatever its label; "openssl x509" reads only the first.
        (input, output) => `openssl crl2pkcs7 -nocrl -certfile ${input} | openssl pkcs7 -print_certs -out ${output}`,
      ),
  ],
  CRL: ['a CRL', ({ role, pass }) => `${pass} Pass the CRL as "${role === 'certificate' ? 'crls' : 'crl'}".`],
  'certificate request': [
    'a certificate request',
    (d) =>
      d.role === 'cert' || d.role === 'certificate'
        ? `Have the CA sign it. ${convert(d, '.crt', (input, output) => `openssl x509 -req -in ${input} -CA ca.crt -CAkey ca.key -copy_extensions copy -out ${output}`, ' with the files of the CA')}`
        : d.pass,
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
  'PKCS#12 key store': ['a PKCS#12 key store (.p12, .pfx)', pkcs12Remedy('')],
  'old PKCS#12 key store': ['a PKCS#12 key store (.p12, .pfx) in an old encryption', pkcs12Remedy(' -legacy')],
  'PKCS#7 bundle': ['a PKCS#7 bundle (.p7b)', pkcs7Remedy],
  'SSH private key': [
    'a private key in SSH format',
    // ssh-keygen converts in place.
    keyRemedy((input, output) => `cp ${input} ${output} && ${SSH_TO_PKCS8} ${output}`),
  ],
  'SSH-only private key': [
    'a private key in SSH format, of a kind that is not converted (Ed25519, or one of a security key)',
    ({ file, role, pass }) => {
      if (role !== 'key') return pass
      const output = `${file ?? 'FILE'}.pem`
      const command = `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ${shellArgument(output)}`
      return `No command converts it. Run "${privately(command)}" to create the new key ${output}, and have a certificate issued for it.`
    },
  ],
  'PuTTY private key': [
    'a private key in the format of PuTTY (.ppk)',
    keyRemedy(
      (input, output) => `puttygen ${input} -O private-openssh -o ${output} && ${SSH_TO_PKCS8} ${output}`,
      ' (Debian: putty-tools)',
    ),
  ],
  'gzip file': [
    'a file compressed with gzip',
    (d) =>
      extract(d, (input, output) =>
        d.layers === 0 ? `gzip -dc < ${input} > ${output}` : `${decodeBase64(input, d.layers)} | gzip -dc > ${output}`,
      ),
  ],
  'tar archive': ['a tar archive', memberRemedy('tar -xOf', 'tar -tf')],
  'zip archive': ['a zip archive', memberRemedy('unzip -p', 'unzip -l')],
  'Java key store': [
    'a Java key store (JKS)',
    (d) => {
      const parts = PKCS12_ARGUMENTS[d.role]
      const toPkcs12 = 'keytool -importkeystore -noprompt -deststoretype PKCS12'
      return parts === undefined
        ? d.pass
        : convert(d, `.${d.role}.pem`, (input, output) =>
            privately(
              `${toPkcs12} -srckeystore ${input} -destkeystore ${output}.p12 && openssl pkcs12 -in ${output}.p12 ${parts} -out ${output}`,
            ),
          )
    },
  ],
  'data URI': [
    'a data: URI',
    (d) =>
      d.isText
        ? 'Decode it before the call: await (await fetch(value)).text().'
        : write(
            d,
            (input, output) =>
              `node -e 'fetch(fs.readFileSync(process.argv[1], \`utf8\`).trim()).then((each) => each.text()).then((text) => process.stdout.write(text))' ${input} > ${output}`,
          ),
  ],
  'description of a certificate': [
    'what "openssl x509 -text" prints of a certificate, without the certificate itself',
    ({ pass }) => `${pass} It cannot be restored from this text: copy the file that was printed, not its description.`,
  ],
  'description of a Secret': [
    'the output of "kubectl describe secret", which has only the lengths of the values',
    ofCluster,
  ],
  'source of a Secret': ['the manifest of an object of which a controller in the cluster makes a Secret', ofCluster],
  'web page': [
    'a web page',
    ({ pass }) => `Download the file itself: the server returned a page, such as an error or a login. ${pass}`,
  ],
  JWK: [
    'a JSON Web Key (JWK)',
    keyRemedy(
      (input, output) =>
        `node -e 'process.stdout.write(crypto.createPrivateKey({ key: [JSON.parse(fs.readFileSync(process.argv[1]))].flatMap((each) => each.keys ?? each)[0], format: \`jwk\` }).export({ type: \`pkcs8\`, format: \`pem\` }))' ${input} > ${output}`,
    ),
  ],
  'SSH public key': ['a public key in SSH format', ({ pass }) => `${pass} TLS does not use public keys of SSH.`],
  'OpenPGP block': [
    'an OpenPGP block',
    (d) => `${decrypted('gpg --decrypt')(d)} If it is not an encrypted or signed file, p${d.pass.slice(1)}`,
  ],
  'UTF-16 text': ['text in UTF-16', utf16Remedy('UTF-16')],
  'UTF-16LE text': ['text in UTF-16', utf16Remedy('UTF-16LE')],
  'UTF-16BE text': ['text in UTF-16', utf16Remedy('UTF-16BE')],
  'Git LFS pointer': [
    'a pointer of Git LFS, which stands for the file itself',
    ({ isText, file }) =>
      `Run "git lfs pull" in the repository that it comes from (in GitHub Actions: "lfs: true" for actions/checkout), and copy ${isText ? 'the file' : (file ?? '')} from there again.`,
  ],
  'age file': [
    'a file that age encrypted',
    (d) =>
      convert(
        d,
        '.pem',
        (input, output) => privately(`age --decrypt --identity IDENTITY ${input} > ${output}`),
        ' with the file of your age key as IDENTITY',
      ),
  ],
  'SOPS file': ['a file that SOPS encrypted', decrypted('sops --decrypt')],
  'ansible-vault file': ['a file that ansible-vault encrypted', decrypted('ansible-vault view')],
  template: [
    'a template whose values were not filled in',
    ({ role }) =>
      `Pass the file that the program of the template writes (Helm, vault-agent, consul-template, Terraform, envsubst), after it has written ${acceptedContent(role)}.`,
  ],
  'shell command': [
    'a command that only a shell replaces by its output',
    ({ pass }) =>
      `Pass the output of the command: a shell runs it in double quotes or without quotes, and not in single quotes, in YAML or in a .env file. ${pass}`,
  ],
  placeholder: [
    'a placeholder',
    ({ pass, text }) =>
      text?.includes('*') === true
        ? `Copy the value again from its source, not from a log or a page that masks it. ${pass}`
        : `Check the field or the variable that it is read from: it is missing there, or was not replaced. ${pass}`,
  ],
  reference: [
    'a reference to a secret store',
    ({ pass }) =>
      `Resolve the reference before the client starts: the program that does so did not run, or not for this value. ${pass}`,
  ],
  kubeconfig: [
    'a kubeconfig',
    ({ role }) => {
      const file = KUBEADM_FILES[role]
      const kubeadm = file === undefined ? '' : `: with kubeadm, /etc/kubernetes/pki/${file} of a control-plane node`
      return `Pass ${acceptedContent(role)}${kubeadm}. The credentials in a kubeconfig are for the API server, and etcd has another CA.`
    },
  ],
  'Secret manifest': [
    'the manifest of a Kubernetes Secret',
    secretRemedy(
      (key, input) => `sed -n 's/^ *${key.replace('.', '[.]')}: *//p' ${input} | tr -d '[:space:]\\042\\047'`,
    ),
  ],
  'Secret manifest in JSON': [
    'the manifest of a Kubernetes Secret',
    secretRemedy((key, input) => `jq -r --arg key ${key} '.data[$key]' ${input}`),
  ],
  'Vault output': [
    'JSON, as Vault prints it',
    (d) => {
      const fields = VAULT_FIELDS[d.role]
      return fields === undefined
        ? d.pass
        : extract(d, (input, output) => `jq -r '(.data // .) | ${fields}' ${input} > ${output}`)
    },
  ],
  'cfssl output': [
    'JSON, as cfssl prints it',
    (d) =>
      convert(
        d,
        d.role === 'key' ? '-key.pem' : d.role === 'request' ? '.csr' : '.pem',
        // It appends the ends of the names itself.
        (input, _, base) => privately(`cfssljson -f ${input} -bare ${base}`),
      ),
  ],
  JSON: [
    'JSON',
    (d) =>
      extract(
        d,
        (input, output) => `jq -r .FIELD ${input} > ${output}`,
        ` with the path of the field that holds ${acceptedContent(d.role)}`,
      ),
  ],
  PEM: [
    'PEM',
    (d) =>
      d.isText
        ? `Decode it before the call: ${decodeInMemory(d.layers)}.`
        : d.isSecret === true
          ? 'The value was encoded once too often. Put it into the Secret without encoding it yourself: "stringData" accepts PEM as it is, "data" accepts it in base64 once, and "kubectl create secret generic NAME --from-file=FILE" encodes it.'
          : write(d, (input, output) => `${decodeBase64(input, d.layers)} > ${output}`),
  ],
  'escaped line breaks': [
    'PEM text with "\\n" in place of line breaks',
    (d) =>
      d.isText
        ? `Replace them before the call: text.replaceAll(/\\\\r|["']/g, '').replaceAll('\\\\n', '\\n').`
        : write(d, UNESCAPE),
  ],
  'lost line breaks': [
    'PEM text without line breaks',
    (d) =>
      `${d.isText ? '' : `${write(d, BREAK_LINES)} `}Write it with its line breaks: quote the variable in the shell ("$CERT"), or use a "|" block in YAML.`,
  ],
  'file name': [
    'the name of a file',
    ({ isText }) =>
      isText
        ? 'Read the file and pass its contents, or use fromFiles, which accepts file names.'
        : 'Pass the file that is named in it.',
  ],
  'PKCS#11 URI': [
    'a PKCS#11 URI',
    () =>
      'Issue a separate key for this client, and pass the path of its file: TLS in Node and etcd uses only keys that it can read. The key of an authority can stay in the token (option "signer").',
  ],
  'contents of a file': ['the contents of a file', () => 'Pass the path of a file, or pass the text to fromPem.'],
  'path with escapes': ['a path with control characters', () => ESCAPES],
  'empty string': ['an empty string', ({ pass }) => `Set the variable or the secret that it is read from. ${pass}`],
  nothing: ['nothing but white space'],
  'NUL bytes': [
    'nothing but NUL bytes, as a crash or a full disk leaves them',
    ({ pass }) => `Write the file again from its source. ${pass}`,
  ],
  'other DER': ['other data'],
  'other blocks': ['other PEM blocks'],
  'other text': [
    'text without a "-----BEGIN …-----" line',
    ({ pass }) => `${pass} If the file was downloaded, the server may have returned an error instead.`,
  ],
  'other binary data': ['other binary data'],
})

function decodeInMemory(layers: number): string {
  return layers === 0
    ? 'value'
    : `Buffer.from(${layers === 1 ? 'value' : decodeInMemory(layers - 1)}, 'base64').toString()`
}

/** An uninitialized variable of awk (z) is the empty string. The octal numbers are quotation marks. */
const UNESCAPE: Command = (input, output) =>
  `awk '{ sub(/^[^-]*/, z); gsub(/\\\\r|[\\042\\047]/, z); gsub(/\\\\n/, ORS) } 1' ${input} > ${output}`
const BREAK_LINES: Command = (input, output) =>
  `awk -v m='&' '{ gsub(/-----(BEGIN|END) [A-Z0-9 ]*-----/, ORS m ORS) } 1' ${input} | awk '!/-----/ { gsub(/ /, z) } NF' | fold -w 64 > ${output}`
