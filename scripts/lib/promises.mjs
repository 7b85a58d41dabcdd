/**
 * What each promise of SECURITY.md rests on: a change that breaks it, as a search and replace, and the tests that then fail.
 * `npm run check -- promises` makes each change in a copy of the sources and runs its tests. If two layers keep a promise, the
 * change breaks both.
 */

/**
 * @typedef {object} Promised
 * @property {string} row The beginning of its row in SECURITY.md, column "Protected".
 * @property {string} breaks What the change does.
 * @property {[file: string, search: string, replace: string][]} changes Each string to search for is in its file once.
 * @property {boolean} [isLong] Whether only the long form of the tests surely fails.
 * @property {[file: string, title: string][]} tests Tests that fail with the change. If a title stands in several groups, all of them fail,
 *   or the title begins with that of its group.
 */

const OPTIONS = 'test/unit/client/options.test.ts'
const TRUST = 'test/unit/client/trust.test.ts'
const FINDING = 'test/unit/report/finding.test.ts'
const ERRORS = 'test/unit/errors.test.ts'
const SIGN = 'test/unit/authority/sign-csr.test.ts'
const REPLACE = 'test/unit/files/replace-files.test.ts'
const OWNER = 'test/unit/files/owner-attack.test.ts'
const IN_ROOT = 'test/unit/files/in-root.test.ts'
const REVOKED = 'test/unit/client/revoked-servers.test.ts'
const HPACK = 'test/unit/client/http2/hpack.test.ts'
const DOCTOR_FOREIGN = 'test/unit/doctor/foreign-servers.test.ts'
const DOCTOR_HOSTILE = 'test/unit/doctor/hostile.test.ts'
const DOCTOR_SOURCES = 'test/unit/doctor/sources.test.ts'
const READABLE_BY = 'test/unit/files/readable-by.test.ts'
const NO_URLS = 'examines within bounds a cluster whose member list has no URLs'

/** A connection of which our rules have said nothing is not used, either. */
const WITHOUT_GUARD = [
  'src/client/transport/address-attempt.ts',
  'if (validation?.report.ok !== true) {',
  'if (validation === undefined) {',
]

/** A test of the files that a user names to root. */
const ofKey = (what) => [
  READABLE_BY,
  `a user who names ${what} to root gets it used only if this user may read it and no other one may change it`,
]
const HEADERS_OF_OTHERS = [
  'test/unit/client/http2/header-blocks.test.ts',
  'takes the headers of an earlier answer for no other one that has more, fewer or other fields',
]

/** @type {Record<string, Omit<Promised, 'row'>[]>} */
const BY_ROW = {
  'Only TLS 1.2 and 1.3; no plaintext endpoint': [
    {
      breaks: 'TLS 1.1 is an option',
      changes: [
        ['src/client/base/options.ts', "const VERSIONS = ['TLSv1.2'", "const VERSIONS = ['TLSv1.1', 'TLSv1.2'"],
      ],
      tests: [
        [OPTIONS, 'refuses the option tls.minVersion in {"tls":{"minVersion":"TLSv1.1"}}'],
        [OPTIONS, 'refuses the option tls.maxVersion in {"tls":{"maxVersion":"TLSv1.1"}}'],
      ],
    },
    {
      // OpenSSL offers no TLS 1.1 either, at its usual level.
      breaks: 'TLS 1.0 and 1.1 are offered',
      changes: [
        [
          'src/client/base/validated-credentials.ts',
          '    minVersion,\n    maxVersion,\n    ...(ciphers === null ? {} : { ciphers }),',
          "    minVersion: 'TLSv1',\n    maxVersion,\n    ciphers: 'DEFAULT@SECLEVEL=0',",
        ],
      ],
      tests: [
        [
          'test/unit/client/validated-credentials.test.ts',
          'The hello of a client offers TLS 1.3 and 1.2, and nothing older',
        ],
      ],
    },
    {
      breaks: 'a plaintext URL is accepted',
      changes: [
        [
          'src/client/base/endpoints.ts',
          'if (fault !== undefined) return',
          'if (fault !== undefined && !/^http:/i.test(text)) return',
        ],
        ['src/client/base/endpoints.ts', "if (scheme.toLowerCase() !== 'https')", 'if (!/^https?$/i.test(scheme))'],
      ],
      tests: [
        ['test/unit/client/endpoints.test.ts', 'refuses http with the reason'],
        [OPTIONS, 'refuses the option endpoints in {"endpoints":"http://a:2379"}'],
      ],
    },
  ],
  "The server's chain and name are always verified": [
    {
      breaks: 'the time is asked of another server than the one whose chain was validated but for its dates',
      changes: [
        [
          'src/client/diagnosis/https-answer.ts',
          'leaf !== undefined && socket.getPeerX509Certificate()?.raw.equals(leaf.raw) === true',
          'leaf !== undefined',
        ],
      ],
      tests: [
        [
          'test/unit/doctor/clock-request.test.ts',
          'asks no server for its time that has another certificate than the one that was validated',
        ],
      ],
    },
    {
      breaks: 'NODE_TLS_REJECT_UNAUTHORIZED turns the verification off',
      changes: [['src/client/transport/tls-socket.ts', '    rejectUnauthorized: true,\n', ''], WITHOUT_GUARD],
      tests: [
        ['test/unit/client/process.test.ts', 'does not use CAs, verification settings or proxies of the environment'],
      ],
    },
    {
      breaks: 'our rules are not applied to the chain of a server',
      changes: [
        [
          'src/client/transport/tls-socket.ts',
          '      if (!validation.report.ok) return new Error(summarize(validation.report.findings))\n',
          '',
        ],
        WITHOUT_GUARD,
      ],
      tests: [[TRUST, 'Our rules alone refuse a name that is only in the subject, which Node accepts']],
    },
    {
      breaks: 'a client certificate is accepted as that of a server',
      changes: [['src/client/transport/tls-socket.ts', "usage: 'server', hosts", "usage: 'client', hosts"]],
      tests: [[TRUST, 'refuses a client certificate in the place of that of a server, without the help of OpenSSL']],
    },
    {
      breaks: 'the name of a server is not verified',
      changes: [
        ['src/client/transport/tls-socket.ts', 'hosts: [name.value], revocation', 'hosts: [], revocation'],
        ['src/client/transport/tls-socket.ts', 'return checkName(expected.name, certificate)', 'return undefined'],
      ],
      tests: [
        [
          'test/unit/client/dial.test.ts',
          'an IPv6 address is connected by its address, and the certificate must cover it',
        ],
        [TRUST, 'Our rules alone refuse a name that is only in the subject, which Node accepts'],
      ],
    },
  ],
  'A server whose certificate is in a CRL of the credentials': [
    {
      breaks: 'the CRLs of the credentials are not used for servers',
      changes: [
        [
          'src/client/transport/tls-socket.ts',
          '{ leaf, intermediates, trustAnchors, crls },',
          '{ leaf, intermediates, trustAnchors, crls: crls.slice(0, 0) },',
        ],
      ],
      tests: [
        [REVOKED, 'refuses a revoked server at the first connection, and sends it no request'],
        [REVOKED, 'refuses a revoked server at each later connection, and sends it no request'],
        [REVOKED, 'refuses a server after a rotation to credentials whose CRL revokes it, and uses the others'],
        [REVOKED, 'keeps its credentials if the new ones have a CRL that revokes the only server'],
      ],
    },
  ],
  '`doctor` sends a client certificate, a password and requests only': [
    {
      breaks: 'doctor connects with a pair that does not verify the server',
      changes: [['src/doctor/pairs.ts', '.filter(({ report }) => report.ok)', '']],
      tests: [
        [
          DOCTOR_FOREIGN,
          'sends a client certificate to no server that its CA does not verify, also if an endpoint is given',
        ],
      ],
    },
    {
      breaks: 'doctor reads /metrics of any server with NODE_TLS_REJECT_UNAUTHORIZED=0',
      changes: [
        ['src/client/diagnosis/https-answer.ts', '{ secureContext, rejectUnauthorized: true,', '{ secureContext,'],
      ],
      tests: [[DOCTOR_HOSTILE, 'reads /metrics only of a server that it verifies, whatever the environment says']],
    },
    {
      breaks: 'doctor connects without a certificate to a server that requests one',
      changes: [
        [
          'src/doctor/pairs.ts',
          "if (!key.isHeld) return seen.clientCertificate === 'not-requested'",
          'if (!key.isHeld) return true',
        ],
      ],
      tests: [
        [
          DOCTOR_FOREIGN,
          'tells that a server requests a client certificate, and sends it neither one nor the password',
        ],
      ],
    },
  ],
  'A silent endpoint cannot make `createSecureClient` wait longer': [
    {
      breaks: 'a dial may take twenty times its time-out',
      changes: [['src/client/transport/dial.ts', '}, request.timeout).unref()', '}, 20 * request.timeout).unref()']],
      tests: [
        [
          'test/unit/client/dial.test.ts',
          'A client that meets only silent endpoints fails within dialTimeout, and reports the time-out',
        ],
      ],
    },
  ],
  'Its certificates and messages cannot control a terminal or a log': [
    {
      breaks: 'a grpc-message that is percent-encoded is not escaped',
      changes: [
        [
          'src/client/transport/channel.ts',
          'return printable(decodeURIComponent(text))',
          'return decodeURIComponent(text)',
        ],
      ],
      tests: [
        [
          'test/unit/client/transport/unary-call.test.ts',
          'Control characters of a grpc-message that is sent percent-encoded are escaped',
        ],
        ['test/unit/client/call.test.ts', 'escapes control characters in the message of a server'],
      ],
    },
    {
      breaks: 'a grpc-message that is not percent-encoded is not escaped',
      changes: [
        ['src/client/transport/channel.ts', '  } catch {\n    return printable(text)', '  } catch {\n    return text'],
      ],
      tests: [
        [
          'test/unit/client/transport/unary-call.test.ts',
          'Control characters of a grpc-message that is sent as it is, with a percent sign are escaped',
        ],
      ],
    },
    {
      // Both the details in a message and the whole message are escaped.
      breaks: 'messages and remedies of findings are not escaped',
      changes: [
        [
          'src/report/printable.ts',
          'const brief = (text: string): string => printable(text.length > maxText ? `${text.slice(0, maxText)}…` : text)',
          'const brief = (text: string): string => text.length > maxText ? `${text.slice(0, maxText)}…` : text',
        ],
        [
          'src/report/finding.ts',
          'message: shortened(printable(message)), remedy: withFullStop(printable(remedy))',
          'message: shortened(message), remedy: withFullStop(remedy)',
        ],
      ],
      tests: [[FINDING, 'escapes everything that came from outside: message, remedy, details and certificate']],
    },
    {
      breaks: 'details of findings are not escaped',
      changes: [['src/report/finding.ts', 'details: printableDetails(details)', 'details']],
      tests: [[FINDING, 'escapes everything that came from outside: message, remedy, details and certificate']],
    },
    {
      breaks: 'the certificate of a finding is not escaped',
      changes: [['src/report/finding.ts', 'certificate === null ? null : printableRef(certificate)', 'certificate']],
      tests: [[FINDING, 'escapes everything that came from outside: message, remedy, details and certificate']],
    },
    {
      breaks: 'the message of an error is not escaped',
      changes: [['src/report/errors.ts', 'super(printable(message), options)', 'super(message, options)']],
      tests: [[ERRORS, 'shows no control or format character of its message and details']],
    },
    {
      breaks: 'the details of an error are not escaped',
      changes: [['src/report/errors.ts', "typeof value === 'string' ? printable(value) : value)", 'value)']],
      tests: [[ERRORS, 'shows no control or format character of its message and details']],
    },
    {
      breaks: 'a report that a program has read from JSON is not escaped',
      changes: [
        ['src/report/print-report.ts', 'const message = printable(each.message)', 'const message = each.message'],
      ],
      tests: [
        ['test/unit/report/format.test.ts', 'prints no control character that a certificate or a caller brought along'],
      ],
    },
    {
      breaks: 'the reason of a canceled watch is not escaped',
      changes: [['src/client/streams/watch-messages.ts', 'printable(fields.text())', 'fields.text()']],
      tests: [['test/unit/client/watch-messages.test.ts', 'the reason of a cancel becomes printable']],
    },
    {
      breaks: 'options of a configuration are not escaped',
      changes: [['src/config/finding.ts', 'printableDeep(showExpressions(option))', 'showExpressions(option)']],
      tests: [
        [
          'test/unit/config/lint/files.test.ts',
          'escapes all that people read of a hostile configuration, and leaves paths exact',
        ],
      ],
    },
    {
      breaks: 'GitHub decodes what follows a percent sign in a configuration',
      changes: [['src/cli/lint/line-formats.ts', "return lines.replaceAll('%', '%25')", 'return lines']],
      tests: [
        [
          'test/unit/cli/lint.test.ts',
          'GitHub gets percent signs of a name and of a value escaped, so that it decodes none of them',
        ],
      ],
    },
    {
      breaks: 'names of folders in the result of a renewal are not escaped',
      changes: [
        [
          'src/authority/cluster/renew-directory.ts',
          'return { what: printable(what), reason: printable(reason), findings }',
          'return { what, reason, findings }',
        ],
      ],
      tests: [
        [
          'test/unit/authority/cluster/renew-directory.test.ts',
          'escapes the messages about folders with control characters in their names, and leaves the paths of files exact',
        ],
      ],
    },
  ],
  'Its answers cannot end the process': [
    {
      breaks: 'an exception in the check of a server ends the process',
      changes: [
        [
          'src/client/transport/tls-socket.ts',
          '    } catch (error) {\n      return asError(error)\n    }\n  }\n}\n\n/** Node',
          '    } finally {\n      seen.toString()\n    }\n  }\n}\n\n/** Node',
        ],
      ],
      tests: [[TRUST, 'refuses an object that throws without an exception']],
    },
    {
      breaks: 'the table of headers is as large as allowed, not as the server has set it',
      changes: [
        ['src/client/http2/hpack.ts', 'while (this.#size > this.#maxSize)', 'while (this.#size > this.#allowed)'],
      ],
      tests: [[HPACK, 'evicts by the size that the peer has set, which may be smaller than the allowed one']],
    },
    {
      breaks: 'answers of any depth are decoded by recursion',
      changes: [['src/client/transport/decoder.ts', 'if (depth > MAX_DEPTH) return null', '']],
      tests: [
        [
          'test/unit/client/transport/decoder.test.ts',
          'A message that is nested deeper than any that etcd sends is left to etcd3',
        ],
      ],
    },
    {
      breaks: 'transactions of any depth are read by recursion',
      changes: [['src/client/transport/call-policy.ts', 'writes: depth > MAX_NESTING,', 'writes: depth < 0,']],
      tests: [
        [
          'test/unit/client/transport/call-policy.test.ts',
          'a transaction that is nested deeper than any caller needs counts as a write',
        ],
      ],
    },
  ],
  'A call gets the headers of its own answer': [
    {
      breaks: 'headers are those of an earlier answer with as many fields',
      changes: [
        [
          'src/client/http2/header-blocks.ts',
          'one.length === other.length && one.every((field, i) => field === other[i])',
          'one.length === other.length',
        ],
      ],
      tests: [HEADERS_OF_OTHERS],
    },
    {
      breaks: 'headers are those of an earlier answer with fewer fields',
      changes: [
        [
          'src/client/http2/header-blocks.ts',
          'one.length === other.length && one.every((field, i) => field === other[i])',
          'one.every((field, i) => field === other[i])',
        ],
      ],
      tests: [HEADERS_OF_OTHERS],
    },
    {
      breaks: 'a compressed message is passed on',
      changes: [
        ['src/client/transport/framing.ts', 'if (this.#prefix[0] !== 0) throw', 'if (this.#prefix[0] > 1) throw'],
      ],
      tests: [
        ['test/unit/client/framing.test.ts', 'refuses a compressed message, because the client offers no compression'],
      ],
    },
  ],
  '`doctor` escapes what servers say about themselves': [
    {
      breaks: 'doctor does not escape the names and the versions of members',
      changes: [['src/doctor/examine-one.ts', '...printableDeep(shown),', '...shown,']],
      tests: [[DOCTOR_HOSTILE, NO_URLS]],
    },
    {
      breaks: 'doctor examines all members of a list',
      changes: [
        ['src/doctor/process.ts', '.slice(0, MAX_LISTED + 1)', '.slice(0)'],
        ['src/doctor/members.ts', '(isListed ? list : unlisted).slice(0, MAX_LISTED)', '(isListed ? list : unlisted)'],
      ],
      tests: [[DOCTOR_HOSTILE, 'examines within bounds a cluster whose member list has 100 members']],
    },
  ],
  'A request gets only names that the caller allows': [
    {
      breaks: '`root` matches a wildcard',
      changes: [['src/authority/sign-csr.ts', 'given === ROOT ? pattern === ROOT : ', '']],
      tests: [
        [SIGN, 'the common name root by true is false'],
        [SIGN, 'the common name root by ["r*","root*"] is false'],
      ],
    },
    {
      breaks: 'any common name is accepted',
      changes: [['src/authority/sign-csr.ts', ': matchesPattern(given, pattern)))', ': pattern !== given + given))']],
      tests: [
        [SIGN, 'the common name etcd-0 by ["etcd-1"] is false'],
        [SIGN, 'the common name xetcd-0 by ["etcd-*"] is false'],
      ],
    },
    {
      breaks: 'any host is accepted',
      changes: [['src/authority/sign-csr.ts', '(host) => tests.some((test) => test(host))', '() => true']],
      tests: [[SIGN, 'names outside the policy are refused, with each name in the error']],
    },
  ],
  'A revoked certificate is refused by etcd': [
    {
      breaks: 'a CRL lists no certificate',
      changes: [['src/authority/revocation.ts', '    revoked,\n', '    revoked: [],\n']],
      tests: [['test/unit/authority/revocation.test.ts', 'openssl and Crl read the same reason for each entry']],
    },
  ],
  'New keys get mode 0600': [
    {
      breaks: 'keys are opened with mode 0666 and changed later',
      changes: [['src/files/file-system.ts', "fs.open(path, 'wx', mode)", "fs.open(path, 'wx', 0o666)"]],
      tests: [[REPLACE, 'A new key is never readable for other users, not even before its mode is set']],
    },
    {
      breaks: 'keys stay readable for other users',
      changes: [['src/files/file-system.ts', 'await file.chmod(mode)', 'await file.chmod(mode | 0o044)']],
      tests: [
        ['test/unit/credentials/write.test.ts', 'writes the same modes under the umask 18'],
        [
          'test/unit/authority/cluster/write-cluster.test.ts',
          'writes a folder for each member and client in the layout etcd',
        ],
      ],
    },
    {
      breaks: 'a link at the temporary name of a file is followed',
      changes: [['src/files/file-system.ts', "fs.open(path, 'wx', mode)", "fs.open(path, 'w', mode)"]],
      tests: [[REPLACE, 'No file is written through a link that someone puts at the temporary name of a new file']],
    },
    {
      breaks: 'a link in the place of a file is followed',
      changes: [
        [
          'src/files/file-system.ts',
          'await fs.rename(temporary, join(directory, name))',
          'const path = join(directory, name)\n      await fs.rename(temporary, await fs.realpath(path).catch(() => path))',
        ],
      ],
      tests: [
        [
          'test/unit/credentials/write.test.ts',
          'replaces existing files, loose modes and symbolic links included, and the target of a link stays as it was',
        ],
      ],
    },
  ],
  'Root writes only where no other user can rename': [
    {
      breaks: 'root writes below a folder, or through a link, of another user',
      changes: [
        [
          'src/files/guarded-file-system.ts',
          'if (!isOwn && (isInSticky || !state.isFile()))',
          'if (!isOwn && state.uid < 0)',
        ],
      ],
      tests: [
        [
          OWNER,
          'writeCluster is refused below a folder of another user, and the error names the folder, its owner and its mode',
        ],
        [OWNER, 'writeCluster follows a link of root and checks its target, and is refused at a link of another user'],
        [
          OWNER,
          'writeCluster is refused in a folder with the sticky bit at an entry of another user, and names another name as the remedy',
        ],
      ],
    },
    {
      breaks: 'root writes in a folder that others can write to',
      changes: [
        [
          'src/files/guarded-file-system.ts',
          'if (isShared(state) && (state.mode & STICKY) === 0)',
          'if (isShared(state) && state.mode < STICKY * 0)',
        ],
      ],
      tests: [
        [
          OWNER,
          'writeCluster is refused if a group, a user in an access control list or every user can write to the folder or above',
        ],
      ],
    },
  ],
  'A member of the option `group` can read the keys': [
    {
      breaks: 'a member of the group can change a key',
      changes: [['src/authority/cluster/write-cluster.ts', '{ mode: 0o640, gid }', '{ mode: 0o660, gid }']],
      tests: [
        [
          'test/unit/files/group.test.ts',
          'A member of the group reads the keys and changes nothing, and other users do not even read',
        ],
      ],
    },
  ],
  'The commands that give a directory to root': [
    {
      breaks: 'the commands change many files at once, which the owner replaces meanwhile',
      changes: [['src/files/foreign-component.ts', '-exec chmod ${mode} {} \\\\;`', '-exec chmod ${mode} {} +`']],
      tests: [
        [
          'test/unit/files/migration.test.ts',
          'The commands keep the keys of members readable for their service at every moment, and root then writes there',
        ],
      ],
    },
  ],
  '`doctor`, run by root, connects with the files': [
    {
      breaks: 'doctor connects with a key that the user of the process may not read',
      changes: [['src/doctor/sources.ts', 'if (reason !== null) return', "if (reason === '') return"]],
      tests: [
        [
          DOCTOR_SOURCES,
          'uses the key that a process names only if its user may read it, and no other user may change it before it is loaded',
        ],
      ],
    },
    {
      breaks: 'doctor loads a key that another user may have changed meanwhile',
      changes: [
        [
          'src/doctor/sources.ts',
          'sourceOfPaths({ ca, cert, key }, userOf(config))',
          'sourceOfPaths({ ca, cert, key })',
        ],
      ],
      tests: [
        [
          DOCTOR_SOURCES,
          'uses the key that a process names only if its user may read it, and no other user may change it before it is loaded',
        ],
      ],
    },
    {
      breaks: 'doctor uses a file that its user may not read',
      changes: [['src/files/readable-by.ts', 'if (!isReadable) return', 'if (!isReadable && user.uid < 0) return']],
      tests: [ofKey('a key of root'), ofKey('a key in a folder that only root may enter')],
    },
    {
      breaks: 'doctor uses a file of a third user',
      changes: [['src/files/readable-by.ts', 'return isOwn && !isOpen', 'return !isOpen']],
      tests: [ofKey('a key of another user'), ofKey('a key in a folder of another user')],
    },
    {
      breaks: 'doctor uses a file in a folder that others may write to',
      changes: [['src/files/readable-by.ts', 'return isOwn && !isOpen', 'return isOwn']],
      tests: [ofKey('a key in a folder that a group may write to')],
    },
    {
      breaks: 'doctor uses a file that others may write to',
      changes: [['src/files/readable-by.ts', '(opened.mode & OTHERS_MAY_WRITE) === 0', 'opened.mode >= 0']],
      tests: [ofKey('a key that its group may change'), ofKey('a key that every user may change')],
    },
    {
      breaks: 'doctor examines a set-uid program that has all IDs of root',
      changes: [['src/files/procfs.ts', 'if (uid === 0 && (await isSetUid', 'if (uid < 0 && (await isSetUid']],
      tests: [[DOCTOR_SOURCES, 'does not examine a set-uid program that has all IDs of root, as sudo has']],
    },
    {
      breaks: 'doctor keeps the passwords of an environment',
      changes: [['src/config/read/env.ts', "? value : 'hidden'] as const", '? value : value] as const']],
      tests: [
        [DOCTOR_SOURCES, 'keeps no password and no variable of another program from the environment of a process'],
      ],
    },
  ],
  '`doctor` reads no file of a process that the kernel': [
    {
      breaks: 'doctor reads the files of the kernel',
      changes: [
        ['src/files/in-root.ts', 'if (isVirtual && stats.isFile()) throw', 'if (isVirtual && stats.size < 0) throw'],
      ],
      tests: [[IN_ROOT, 'A file that the kernel makes is not read']],
    },
    {
      breaks: 'doctor waits for the file system of a program',
      changes: [
        ['src/files/in-root.ts', 'if (OF_PROGRAM.test(type)) throw', "if (OF_PROGRAM.test(type) && type === '') throw"],
      ],
      tests: [
        [
          IN_ROOT,
          'A file system of a program is not read below the root of a process, also if the program would answer',
        ],
      ],
    },
  ],
  'Keys and passphrases are in no error': [
    {
      breaks: 'a message has what looks like a private key',
      changes: [
        [
          'src/report/printable.ts',
          'const shown = text.length < SHORTEST_KEY ? text : withoutKeys(text)',
          'const shown = text',
        ],
      ],
      tests: [
        [ERRORS, 'does not quote a private key that is in the wrong option: pkcs8'],
        [FINDING, 'A finding has no part of a private key in its message, its remedy and its details'],
      ],
    },
    {
      breaks: 'a message has a line of a private key',
      changes: [['src/report/printable.ts', 'looksRandom(run) ? `[${', 'run.length < 0 ? `[${']],
      tests: [[FINDING, 'A finding has no part of a private key in its message, its remedy and its details']],
    },
    {
      breaks: 'a key prints itself',
      changes: [
        [
          'src/x509/keys/keys.ts',
          'return { algorithm: this.algorithm, origin: printable(this.origin) }',
          'return { algorithm: this.algorithm, origin: this.exportPem() }',
        ],
      ],
      tests: [
        ['test/unit/authority/secrecy.test.ts', 'issued credentials show neither their key nor that of the issuer'],
      ],
    },
    {
      breaks: 'a password in the wrong option is shown',
      changes: [
        [
          'src/report/option-error.ts',
          "typeof value === 'string' && value !== '' ? 'a string' : shown(value)",
          'shown(value)',
        ],
      ],
      tests: [['test/unit/missing-options.test.ts', 'an error does not show a value that may be a key or a password']],
    },
  ],
  'It ends in a finding within bounded time and memory': [
    {
      breaks: 'PEM of any size is read, from options and files',
      changes: [
        [
          'src/credentials/parse-input.ts',
          "return role === 'crl' ? MAX_CRL_FILE_BYTES : MAX_PEM_BYTES",
          "return role === 'crl' ? MAX_CRL_FILE_BYTES : MAX_CRL_FILE_BYTES",
        ],
      ],
      tests: [
        ['test/unit/credentials/wrong-formats.test.ts', 'a text has a limit of size'],
        ['test/unit/credentials/files.test.ts', 'reports a path of a file above the limit'],
      ],
    },
    {
      breaks: 'a device without an end is read',
      changes: [['src/credentials/load-inputs.ts', 'if (stats.isFile()) return', 'if (!stats.isDirectory()) return']],
      tests: [['test/unit/credentials/files.test.ts', 'reports a path of a device without an end']],
    },
    {
      breaks: 'opening a FIFO waits for a writer',
      changes: [
        ['src/files/in-root.ts', 'open(path, O_RDONLY | O_NONBLOCK)', 'open(path, O_RDONLY)'],
        ['src/files/in-root.ts', 'O_RDONLY | O_NOFOLLOW | O_NONBLOCK', 'O_RDONLY | O_NOFOLLOW'],
        [
          'src/files/in-root.ts',
          'open(descriptorPath(handle), O_RDONLY | O_NONBLOCK)',
          'open(descriptorPath(handle), O_RDONLY)',
        ],
        ['src/files/file-system.ts', 'O_RDONLY | O_NOFOLLOW | O_NONBLOCK', 'O_RDONLY | O_NOFOLLOW'],
      ],
      tests: [
        [IN_ROOT, 'A FIFO on a path of this machine is opened without a writer'],
        [IN_ROOT, 'A FIFO below a root is opened without a writer'],
        [REPLACE, 'does not wait for a writer of a FIFO in the place of a plain file'],
      ],
    },
    {
      breaks: 'a configuration of any size is read',
      changes: [['src/config/read/text.ts', 'MAX_CONFIG_BYTES = 1024 * 1024', 'MAX_CONFIG_BYTES = 100 * 1024 * 1024']],
      tests: [['test/unit/config/read/hostile.test.ts', 'ten megabytes are not read']],
    },
  ],
  'A disk that is mounted at `root` is not left': [
    {
      breaks: 'links are followed by the operating system',
      changes: [['src/files/in-root.ts', 'O_PATH | O_NOFOLLOW)', 'O_PATH)']],
      tests: [[IN_ROOT, 'a root that is checked by descriptors The path /out/a.crt below a root leads to ENOENT']],
    },
    {
      breaks: '`..` leaves the root',
      changes: [['src/files/in-root.ts', "    if (name === '..') {", "    if (name === '...') {"]],
      tests: [[IN_ROOT, 'The path /../a.crt below a root leads to ENOENT']],
    },
    {
      breaks: 'a folder that is replaced while it is read leads elsewhere',
      changes: [['src/files/in-root.ts', 'if (isInside && isSame) return handle', 'return handle']],
      tests: [
        [
          IN_ROOT,
          'a root that is checked by real paths No file outside the root is opened through a folder that is replaced by a link between finding and opening',
        ],
      ],
    },
    {
      breaks: 'a file with the same number on another device counts as the one that was opened',
      changes: [['src/files/in-root.ts', ' && opened.dev === now.dev', '']],
      tests: [[IN_ROOT, 'A file on another device that has taken the place of the one that was opened is refused']],
    },
  ],
  'Path building has a budget': [
    {
      breaks: 'a search that ran out of its budget passes',
      changes: [
        [
          'src/validate/search.ts',
          'if (isCutShort || (!valid && leafFindings.errors.length === 0))',
          'if (leafFindings.errors.length < 0)',
        ],
      ],
      tests: [
        [
          'test/unit/validate/search.test.ts',
          'limits that end the search are reported without a certificate: {"steps":1}',
        ],
      ],
    },
    {
      breaks: 'the budget does not end',
      changes: [
        [
          'src/validate/link.ts',
          '    this.#signatures -= cost\n    return this.#signatures >= 0',
          '    return this.#signatures - cost > -1e9',
        ],
      ],
      tests: [
        ['test/unit/validate/search.test.ts', 'the limits suffice exactly for a signature and a step of each link'],
      ],
    },
  ],
  "Node's own verification of servers stays on": [
    {
      breaks: "Node's check of the name is dropped",
      changes: [
        ['src/client/transport/tls-socket.ts', 'return checkName(expected.name, certificate)', 'return undefined'],
      ],
      tests: [[TRUST, 'Node alone refuses a certificate by the names that it has read, if our rules find no fault']],
    },
  ],
  'Every package is pinned by hash': [
    {
      breaks: 'a package of the lock file has no hash',
      changes: [['package-lock.json', '      "integrity": "sha512-', '      "integrity-of": "sha512-']],
      tests: [['test/package.test.ts', 'pins every package by its hash']],
    },
    {
      breaks: 'a package is loaded in another place',
      changes: [['src/report/duration.ts', '\nimport ', "\nimport 'yaml'\nimport "]],
      tests: [['test/architecture.test.ts', 'the sources name each third-party package in one place']],
    },
  ],
}

/** @type {Promised[]} */
export const PROMISES = Object.entries(BY_ROW).flatMap(([row, all]) => all.map((each) => ({ row, ...each })))

/** The rows of the threat model in SECURITY.md: what is protected, and the test files that are named. */
export function threatModel(page) {
  const [, table = ''] = /## Threat model\n([^]*)/.exec(page) ?? []
  const lines = table.split('\n').filter((line) => line.startsWith('| '))
  return lines.slice(2).map((line) => {
    const [, , promise = '', tests = ''] = line.split('|').map((cell) => cell.trim())
    return { promise, tests: [...tests.matchAll(/`(test\/[^`]+)`/g)].map(([, file = '']) => file) }
  })
}

/** The text with a change. Throws if what is searched for is not in it once. */
export function changed(text, [file, search, replace]) {
  const found = text.split(search).length - 1
  // A lock file has the same line for each package.
  const isApplied = file.endsWith('.json') ? found > 0 : found === 1
  if (!isApplied) throw new Error(`${file} has ${JSON.stringify(search)} ${found} times, not once`)
  return text.replace(search, () => replace)
}
