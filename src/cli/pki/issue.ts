/** `etcd-mtls issue`: one more certificate of the CA that `init` created. */
import { join, resolve } from 'node:path'
import { writeCluster } from '../../authority/index.js'
import { isRole, ROLE_NAMES } from '../../authority/internal.js'
import { type CredentialFiles, type Credentials, writeCredentials } from '../../credentials/index.js'
import { printable } from '../../report/internal.js'
import { type Answer, type Call, UsageError } from '../command.js'
import type { IssueDocument } from '../documents.js'
import { CA_FOLDER, datesOf, openExistingCa, trustedIn } from './directory.js'
import { dayOf } from './lines.js'

export async function run(call: Call): Promise<Answer> {
  const { operands, options } = call
  const [role = '', name = ''] = operands
  if (!isRole(role)) throw new UsageError(`The role must be one of ${ROLE_NAMES.join(', ')}; received "${role}".`)
  const out = options.text('out')
  if (out === undefined && role !== 'client')
    throw new UsageError(`A ${role} certificate needs --out DIR. For the two of a member, add it to init.`)
  const group = options.account('group')
  if (out === undefined && group !== undefined)
    throw new UsageError('--group needs --out DIR: the directory of the clients is for its owner alone.')
  const directory = resolve(options.text('dir') ?? '.')
  const folder = options.text('caDir') ?? join(directory, CA_FOLDER)
  const authority = await openExistingCa(folder, options)
  const trusted = await trustedIn(directory, folder, authority)
  const hosts = [...options.list('host')]
  const issued = await authority.issue({ role, name, hosts, validity: options.text('validity') })
  // While a CA is replaced, the members serve certificates of both.
  const credentials = trusted.length > 0 ? { ...issued, trustAnchors: trusted } : issued
  const trustedOwner = options.account('trustedOwner')
  const files =
    out === undefined
      ? await writeClient(call, directory, name, credentials)
      : await writeCredentials(out, credentials, { group, trustedOwner })
  const { ca, cert, key } = files
  const document: IssueDocument = { name, role, files: { ca, cert, key }, hosts, ...datesOf(credentials) }
  return { document, text: () => textOf(document), findings: [] }
}

/** Where `renew` finds it. */
async function writeClient(
  { options, signal }: Call,
  directory: string,
  name: string,
  credentials: Credentials,
): Promise<CredentialFiles> {
  const written = await writeCluster(
    directory,
    { members: {}, clients: { [name]: credentials } },
    { layout: 'etcd', caKey: false, trustedOwner: options.account('trustedOwner'), signal },
  )
  const files = written.clients[name]
  if (files === undefined) throw new TypeError(`nothing was written for ${name}`)
  return files
}

function textOf({ name, role, files, notAfter, due }: IssueDocument): string {
  const title = `Issued a ${role} certificate for ${printable(name)}, valid until ${dayOf(notAfter)}, due for renewal on ${dayOf(due)}:`
  return [title, ...[files.ca, files.cert, files.key].map((file) => `  ${printable(file)}`)].join('\n')
}
