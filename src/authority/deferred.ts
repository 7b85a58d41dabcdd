/** Public functions that load their code at the first call, so that importing the package for its client stays fast. */
import { resolve } from 'node:path'
import { checkDirectory } from '../credentials/checks.js'
import type { Credentials, WatchableSource } from '../credentials/credentials.js'
import type { TrustedOwnerOption } from '../files/accounts.js'
import { loadDeferred } from '../report/load-deferred.js'
import { checkAccount, checkOptions, valueInvalid } from '../report/option-error.js'
import type { Certificate } from '../x509/certificate.js'
import type { Crl } from '../x509/crl/crl.js'
import type { PrivateKey } from '../x509/keys/keys.js'
import type { Authority } from './authority.js'
import { SOURCE } from './renewal-due.js'
import type { CreateAuthorityOptions } from './create-ca.js'
import type { Cluster, ClusterFiles } from './cluster/cluster-credentials.js'
import type { Layout } from './cluster/layouts.js'
import type { ClusterPlan } from './cluster/issue-cluster.js'
import type { DirectoryRenewal, RenewDirectoryOptions } from './cluster/renew-directory.js'
import type { WriteClusterOptions } from './cluster/write-cluster.js'
import type { CreateRequestOptions } from './create-csr.js'
import type { Ledger } from './ledger.js'
import type { LoadAuthorityOptions } from './load.js'
import type { IssueRequest } from './issue-options.js'

const code = () => loadDeferred(() => import('./deferred-code.js'))

/**
 * Creates a new root CA in memory. Its key is lost with the process, and with it the renewal of every certificate, unless you
 * save what `authority.export()` returns. {@link openAuthority} keeps a CA in a directory.
 *
 * @example
 * ```ts
 * const authority = await createAuthority({ name: 'etcd CA' })
 * const credentials = await authority.issue({ role: 'client', name: 'app' })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the `signer` does not sign with its own key.
 */
export async function createAuthority(options: CreateAuthorityOptions): Promise<Authority> {
  return (await code()).createAuthority(options)
}

/**
 * Loads an existing CA. An expired one can be loaded, but does not issue.
 *
 * @example
 * ```ts
 * const [cert, key] = await Promise.all([readFile('ca.crt'), readFile('ca.key')])
 * const authority = await loadAuthority({ cert, key })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_CREDENTIALS_UNREADABLE` if an input cannot be read; `details.findings` lists every
 *   fault.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if it is not an authority: not a CA certificate, one that may not sign
 * certificates, a key that does not match or is not supported, or no chain to a root.
 */
export async function loadAuthority(options: LoadAuthorityOptions): Promise<Authority> {
  return (await code()).loadAuthority(options)
}

/**
 * Loads the root CA in `ca.crt` and `ca.key` of a directory, or creates it there if neither file exists. The key gets mode
 * 0600 and is not encrypted, the certificate 0644, and a directory that is created 0700. Two processes that open one
 * directory at the same time get the same CA.
 *
 * @example
 * ```ts
 * const authority = await openAuthority('/srv/ca', { name: 'etcd CA' })
 * ```
 * @param directory The directory of the CA alone. Every user who can read it can issue certificates.
 * @param options Those of `createAuthority`. For a CA that exists, `name` and the other properties of the certificate are not
 *   compared with it.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_CREDENTIALS_UNREADABLE` or `ERR_ISSUE_REFUSED` if the files are not a CA with its key.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if one of the two files is missing, or the file system refuses.
 */
export async function openAuthority(
  directory: string,
  options: Omit<CreateAuthorityOptions, 'signer'> & TrustedOwnerOption,
): Promise<Authority> {
  return (await code()).openAuthority(directory, options)
}

/**
 * Creates a key and a certificate request (PKCS #10) for it. `authority.sign`, openssl, cfssl, step and cert-manager
 * read the request.
 *
 * @example
 * ```ts
 * const { csr, key } = await createRequest({ name: 'etcd-0', hosts: ['etcd-0.etcd.svc', '10.0.0.1'] })
 * ```
 * @returns `csr`: the request in PEM, for the authority. `key`: the private key; write `key.exportPem()` to a file on
 *   this machine.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export async function createRequest(options: CreateRequestOptions): Promise<{ csr: string; key: PrivateKey }> {
  return (await code()).createRequest(options)
}

/**
 * Issues all certificates of a cluster, or none: a `server` and a `peer` certificate for each member, and one for each
 * client. Each has its own key.
 *
 * @example
 * ```ts
 * const cluster = await issueCluster(authority, {
 *   members: [{ name: 'etcd-0', hosts: ['10.0.0.1'] }],
 *   clients: ['root', 'app'],
 * })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong plan, before a key is made.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` as `authority.issue`.
 * @throws The reason of `signal`.
 */
export async function issueCluster<const M extends string, const C extends string = never>(
  authorities: Authority | { client: Authority; peer: Authority },
  plan: ClusterPlan<M, C>,
  options: {
    /**
     * Called after each certificate. `what` is its purpose, such as `server of etcd-0`. `done` is the number of
     * certificates so far. If it throws, nothing is issued.
     */
    onProgress?: ((step: { readonly what: string; readonly done: number; readonly total: number }) => void) | undefined
    /** Cancels the call. Then nothing is issued. */
    signal?: AbortSignal | undefined
  } = {},
): Promise<Cluster<M, C>> {
  return (await code()).issueCluster(authorities, plan, options)
}

/**
 * Writes the files of a cluster: for its members and its clients.
 *
 * Each folder changes as one: a reader finds all old files or all new ones at any time, also after this process was killed,
 * never a key without its certificate or next to another one. After a crash, the same call completes the interrupted one.
 * Members and clients that are not in the cluster, and files that are not part of the layout, do not change. New keys get mode
 * 0600, certificates 0644, folders 0700, whatever the umask is. Replaced files keep owner, group and mode, but keys lose the
 * access of other users. Two processes that write to one directory wait for each other. Run as root, it writes only where no user
 * but root and `trustedOwner` can rename, see docs/files.md.
 *
 * All existing files are checked before anything changes: files of another PKI (no common trust anchor), a key that does
 * not match its certificate or has none, and files that cannot be read are an error unless `overwrite` is set. A symbolic
 * link with the name of a file is replaced and not followed.
 *
 * @example
 * ```ts
 * await writeCluster('/srv/pki', cluster, { layout: 'etcd' })
 * ```
 * @param directory The directory of the cluster. It is created if it does not exist.
 * @returns The paths of all files, by the names of the cluster.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a cluster that cannot be written in this layout: names that are not plain
 * file names, or differ only by case; `layout: 'kubeadm'` with two CAs. Also for a `group` that this machine does not have.
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` if the authority does not issue kubeadm's clients.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if the file system refuses, existing files may not be replaced, `group` cannot
 * enter a folder, root would write where another user can rename, or another process holds the lock too long.
 * @throws The reason of `signal`.
 */
export async function writeCluster<M extends string, C extends string>(
  directory: string,
  cluster: Cluster<M, C>,
  options: WriteClusterOptions,
): Promise<ClusterFiles<M, C>> {
  return (await code()).writeCluster(directory, cluster, options)
}

/**
 * Renews the credentials in a directory that are due, with the same subject, names, usages and lifetime, see `renewCredentials`. Run
 * it by a timer, on the machine of the authority.
 *
 * Each folder (a member's server and peer, a client) changes as one: a reader finds the old pairs or the new ones at any
 * time, also after this process was killed. The ledger has the entry first. After a crash the same call completes what was
 * interrupted, and renews nothing twice; of two processes at once, one waits and then finds nothing due. Certificate files
 * get their issuer's intermediates; CA files do not change. Permissions and owners stay, but other users lose access to
 * keys. Files of openssl or kubeadm are replaced by links, as by `writeCluster`.
 *
 * Credentials that cannot be renewed do not stop the run: `kept` has them with the reason.
 *
 * @example
 * ```ts
 * const { renewed } = await renewDirectory(authority, '/srv/pki', { layout: 'etcd' })
 * ```
 * @param authorities The authority of the certificates, or one for clients and one for peers, as for `issueCluster`.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong call, and for a directory without files of the layout.
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if the directory does not exist, or another process holds its lock too long.
 * @throws The reason of `signal`.
 */
export async function renewDirectory(
  authorities: Authority | { client: Authority; peer: Authority },
  directory: string,
  options: RenewDirectoryOptions,
): Promise<DirectoryRenewal> {
  return (await code()).renewDirectory(authorities, directory, options)
}

/**
 * Replaces the CAs that members and clients trust: by both CAs at the beginning of a replacement, by the new one at its
 * end. Certificates and keys do not change. Each file changes in one step.
 *
 * All certificates of these members and clients are checked before anything changes: one that leads to none of the anchors
 * would be refused after the next restart, so it is an error unless `overwrite` is set.
 *
 * @example
 * ```ts
 * await writeTrust('/srv/pki', [...authority.trustAnchors, ...next.trustAnchors], { layout: 'etcd' })
 * ```
 * @param directory The directory of `writeCluster`.
 * @returns The files that hold the anchors now.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if the file system refuses, a member or client does not exist, or a
 * certificate would no longer be trusted.
 * @throws The reason of `signal`.
 */
export async function writeTrust(
  directory: string,
  trustAnchors: readonly Certificate[],
  options: {
    /** The layout in which the cluster was written. */
    layout: Layout
    /**
     * The connections for which the CA is trusted: `client` between etcd and its clients, `peer` among members, `all`
     * if one CA is used for both, as always in the layout `kubeadm`.
     *
     * @default 'all'
     */
    traffic?: 'all' | 'client' | 'peer' | undefined
    /** @default every member in the directory */
    members?: readonly string[] | undefined
    /** @default every client in the directory */
    clients?: readonly string[] | undefined
    /** Also writes anchors to which a certificate of these members and clients does not lead. @default false */
    overwrite?: boolean | undefined
    /** Stops before the next folder changes. */
    signal?: AbortSignal | undefined
  } & TrustedOwnerOption,
): Promise<string[]> {
  return (await code()).writeTrust(directory, trustAnchors, options)
}

/**
 * Issues credentials with the same contents and the same lifetime, from now: subject and subject alternative names byte
 * for byte, extended key usages, and all further extensions. The usages show the role: serverAuth a server or peer,
 * clientAuth alone a client; a certificate without any gets those of a server if it has names, else those of a client.
 * Expired credentials can be renewed.
 *
 * Trust anchors and CRLs stay the same. With `foreign`, the authority's root is added.
 *
 * @example
 * ```ts
 * if (renewalDue(credentials).due) await writeCredentials('/srv/app/tls', await renewCredentials(authority, credentials))
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_ISSUE_REFUSED` for credentials of another CA, a certificate with contents that an authority
 * does not write, such as an e-mail address as a name, and whatever `authority.issue` refuses.
 */
export async function renewCredentials(
  authority: Authority,
  credentials: Credentials,
  options: {
    /** The private key: a new one of the same kind, or the same one. @default 'new' */
    key?: 'new' | 'same' | undefined
    /** Lifetime from now. @default as long as before, or until the authority expires if that is earlier */
    validity?: string | undefined
    /** Also renews credentials of another CA, as when a CA is replaced. @default false */
    foreign?: boolean | undefined
    /** As for `authority.issue`: also renews what etcd, its gateway or its clients refuse. @default false */
    skipEtcdChecks?: boolean | undefined
  } = {},
): Promise<Credentials> {
  return (await code()).renewCredentials(authority, credentials, options)
}

/**
 * Writes a CRL for `--client-crl-file` or `--peer-crl-file`, with mode 0644, atomically and durably. etcd reads the file
 * again for every connection, so it applies at once; open connections stay open.
 *
 * Source: etcd client/pkg/transport/listener_tls.go, checkCRL; it parses by `x509.ParseRevocationList` since 3.6.
 *
 * @example
 * ```ts
 * await authority.revoke(credentials.chain[0])
 * await writeCrl('/srv/pki/ca.crl', await authority.issueCrl())
 * ```
 * @param path The file. Its directory must exist.
 * @param options `form`: every etcd reads `der`, the default. Only etcd up to 3.5 reads `pem`: from 3.6 on it refuses
 *   every client.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 * @throws {EtcdMtlsError} `ERR_WRITE_FAILED` if the file system refuses.
 */
export async function writeCrl(
  path: string,
  crl: Crl,
  options: { form?: 'der' | 'pem' | undefined } & TrustedOwnerOption = {},
): Promise<void> {
  return (await code()).writeCrl(path, crl, options)
}

/**
 * Credentials that an authority in this process issues at the first `load()`, and again after two thirds of their lifetime,
 * counted from when they were issued: for `load()`, and for `watch()`, which yields each set of them. A client with this
 * source switches to each set while it keeps running.
 *
 * Any number of loads and watches share one certificate. If the authority refuses or does not answer, the old credentials
 * are used as long as they are valid; `watch()` throws the reason once, and the source tries again after one second, then
 * after longer pauses of at most a minute. `load()` rejects only if no credentials are valid. The source checks the clock
 * every minute, so it notices a clock that was set and a machine that slept. No timer keeps the process alive.
 *
 * With `request.validity`, the first certificate is refused if the authority expires earlier; later ones expire with the
 * authority, and once a new one would not expire later, `watch()` throws that.
 *
 * @example
 * ```ts
 * const credentials = fromAuthority(authority, { role: 'client', name: 'app' })
 * const client = await createSecureClient({ endpoints: 'https://10.0.0.1:2379', credentials })
 * ```
 * @param request As for `authority.issue`. Each certificate has a new key, unless the request has one.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for a wrong request.
 */
export function fromAuthority(
  authority: Authority,
  request: IssueRequest,
  options: {
    /** The share of the lifetime after which credentials are issued again, above 0 and below 1. @default 2/3 */
    fraction?: number | undefined
    /**
     * The share of the rest of the lifetime by which that time is moved at random, 0 to 0.5, so that processes that
     * started together do not renew together.
     *
     * @default 0.1
     */
    jitter?: number | undefined
    /** Returns numbers from 0 to 1, for tests. @default Math.random */
    random?: (() => number) | undefined
  } = {},
): WatchableSource {
  const isAuthority = SOURCE in (Object(authority) as object)
  if (!isAuthority) throw valueInvalid('authority', authority, 'an Authority')
  return authority[SOURCE](request, options)
}

/**
 * A ledger in the file `path`, one line for each entry. Each line carries a hash over the line before it, and the file
 * `<path>.head` holds the length of the ledger and its last hash: entries that are changed, removed or cut off are
 * reported, because a CRL without them would undo revocations. The files are created with mode 0600 at the first entry;
 * their directory must exist. Any number of processes may add to it: the lock `<path>.lock` makes one wait for the other.
 * Entries are flushed to the disk before `append` resolves; concurrent calls are written together.
 *
 * A line that a crash has cut off is ignored, and removed with the next entry: no certificate was returned for it.
 *
 * `append` and `read` reject with:
 *
 * - `ERR_WRITE_FAILED` if the file system refuses.
 * - `ERR_ISSUE_REFUSED` if entries are missing or were changed (the message names the line, and the way back from the last
 *   CRL, `authority.restoreRevocations`), and for a file of more than 256 MiB.
 *
 * @example
 * ```ts
 * const authority = await createAuthority({ name: 'etcd CA', ledger: fileLedger('/srv/ca/ledger.jsonl') })
 * ```
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function fileLedger(path: string, options: TrustedOwnerOption = {}): Ledger {
  checkDirectory(path, 'path', 'the path of a file')
  checkOptions('options', options, ['trustedOwner'])
  if (options.trustedOwner !== undefined) checkAccount('trustedOwner', options.trustedOwner, 'user')
  const place = resolve(path)
  let opened: Promise<Ledger> | undefined
  const open = (): Promise<Ledger> =>
    (opened ??= code().then(
      (room) => room.openLedger(place, options),
      (error: unknown) => {
        opened = undefined
        throw error
      },
    ))
  return { append: async (entries) => (await open()).append(entries), read: async () => (await open()).read() }
}
