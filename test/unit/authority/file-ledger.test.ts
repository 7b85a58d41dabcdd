/** What was issued is in the ledger, whatever happens to the process and the file. */
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fileLedger, type LedgerEntry } from '../../../src/authority/index.js'
import { memoryLedger } from '../../../src/authority/ledger.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { childModules, type ChildModules } from '../../support/child-modules.js'
import { faultyFileSystem } from '../../support/faulty-file-system.js'
import { FILE_SYSTEM } from '../../../src/files/guarded-file-system.js'
import { sample, scaled } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'

const folder = temporaryFolder()
let count = 0
function fresh(): string {
  const directory = folder.file(`ledger-${String(++count)}`)
  mkdirSync(directory)
  return `${directory}/ledger`
}

let children: ChildModules
beforeAll(async () => {
  children = await childModules(['src/authority/deferred.ts'])
})
afterAll(() => {
  children[Symbol.dispose]()
})

const issuer = 'ab'.repeat(32)
const at = new Date('2026-05-01T12:00:00.123Z')
function issued(number: number, subject = `CN=etcd-${String(number)}`): LedgerEntry {
  const serialNumber = number.toString(16).padStart(32, '0').toUpperCase()
  return {
    kind: 'issued',
    serialNumber,
    issuer,
    subject,
    role: 'server',
    notAfter: new Date('2049-12-31T23:59:59Z'),
    fingerprint256: 'CD'.repeat(32),
    keyFingerprint256: 'ef'.repeat(32),
    at,
  }
}
const entries: LedgerEntry[] = [
  issued(1, 'CN=größe\\, "\u2028\n𝄞'),
  { kind: 'revoked', serialNumber: '01', issuer, reason: 'keyCompromise', keyFingerprint256: 'ef'.repeat(32), at },
  { kind: 'revoked', serialNumber: '02', issuer, reason: 'unspecified', keyFingerprint256: null, at },
  { kind: 'crl', number: 2n ** 159n - 1n, issuer, at },
]

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!isEtcdMtlsError(error)) throw new Error(`not refused: ${inspect(error)}`)
  return `${error.code} ${error.message}`
}

describe.each([
  ['in memory', memoryLedger],
  ['in a file', () => fileLedger(fresh())],
])('a ledger %s', (_, make) => {
  it('returns the entries in their order', async () => {
    const ledger = make()
    expect(await ledger.read()).toEqual([])
    await ledger.append([])
    await ledger.append(entries)
    await ledger.append([issued(7)])
    expect(await ledger.read()).toEqual([...entries, issued(7)])
  })
})

describe('the file', () => {
  it('writes the file with mode 0600 under any umask, and leaves no other file', async () => {
    const path = fresh()
    const before = process.umask(0)
    try {
      await fileLedger(path).append(entries)
      expect((statSync(path).mode & 0o7777).toString(8)).toBe('600')
      expect(readdirSync(dirname(path))).toEqual(['ledger', 'ledger.head'])
    } finally {
      process.umask(before)
    }
  })

  it('writes one line of text for each entry, which another ledger reads', async () => {
    const path = fresh()
    await fileLedger(path).append(entries)
    expect(await fileLedger(path).read()).toEqual(entries)
    const lines = readFileSync(path, 'utf8').split('\n')
    expect(lines).toHaveLength(entries.length + 1)
    const [hash, ...rest] = lines[3]?.split(' ') ?? []
    const before = lines[2]?.split(' ')[0] ?? ''
    expect(
      createHash('sha256')
        .update([before, ...rest].join(' '))
        .digest('hex')
        .slice(0, 32),
    ).toBe(hash)
    expect(readFileSync(`${path}.head`, 'latin1')).toBe(`${String(statSync(path).size)} ${hash ?? ''}\n`)
  })

  it('writes concurrent entries together', async () => {
    const disk = faultyFileSystem()
    const ledger = fileLedger(fresh(), { [FILE_SYSTEM]: disk })
    await Promise.all(Array.from({ length: 100 }, (_, i) => ledger.append([issued(i)])))
    expect(await ledger.read()).toEqual(Array.from({ length: 100 }, (_, i) => issued(i)))
    expect(disk.calls.filter((call) => call.startsWith('sync')).length).toBeLessThan(20)
  })

  it('reports a file that is too large at once, and does not append to it', async () => {
    const path = fresh()
    // A sparse file: no disk and no memory is used for what is not there.
    await fileLedger(path).append(entries)
    truncateSync(path, 2 ** 30)
    const ledger = fileLedger(path)
    for (const work of [ledger.read(), ledger.append([issued(1)])]) {
      const error = await refused(work, 'ERR_ISSUE_REFUSED')
      expect(error.message).toContain(path)
      expect(error.message).toContain('start a new one')
    }
    expect(statSync(path).size).toBe(2 ** 30)
  })
})

describe('damage', () => {
  it('ignores a last line that was cut off anywhere, and the next entry removes it', async () => {
    const path = fresh()
    await fileLedger(path).append(entries.slice(0, -1))
    // The crash was before the head was replaced.
    const head = readFileSync(`${path}.head`)
    await fileLedger(path).append(entries.slice(-1))
    const whole = readFileSync(path)
    const last = whole.lastIndexOf('\n', whole.length - 2) + 1
    for (const cut of sample(whole.subarray(last).keys(), 12)) {
      const size = last + cut
      writeFileSync(path, whole)
      writeFileSync(`${path}.head`, head)
      truncateSync(path, size)
      // Zeros, as after a power cut.
      if (cut % 2 === 1) appendFileSync(path, Buffer.alloc(200_000))
      expect(await fileLedger(path).read()).toEqual(entries.slice(0, -1))
      await fileLedger(path).append([issued(9)])
      expect(await fileLedger(path).read()).toEqual([...entries.slice(0, -1), issued(9)])
    }
  })

  it('reports the file and line of any flipped bit', async () => {
    const path = fresh()
    await fileLedger(path).append(entries)
    const whole = readFileSync(path)
    for (const [i, byte] of sample(whole.entries(), 40)) {
      const line = whole.subarray(0, i).toString('latin1').split('\n').length
      const damaged = Buffer.from(whole)
      damaged[i] = byte ^ (1 << (i % 8))
      writeFileSync(path, damaged)
      const message = await refusal(fileLedger(path).read())
      expect(message).toContain(`ERR_ISSUE_REFUSED The ledger "${path}"`)
      expect(message).toContain(`line ${String(line)} `)
    }
  })

  it.each([
    ['is cut off', (text: string) => text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1), 'bytes, and had'],
    ['is emptied', () => '', 'bytes, and had'],
    ['has two lines in another order', (text: string) => text.split('\n').toSorted().join('\n'), ''],
  ])('a ledger that %s is reported by read and by append', async (_, change, words) => {
    const path = fresh()
    await fileLedger(path).append(entries)
    writeFileSync(path, change(readFileSync(path, 'utf8')))
    for (const work of [fileLedger(path).read(), fileLedger(path).append([issued(9)])]) {
      const message = await refusal(work)
      expect(message).toContain('ERR_ISSUE_REFUSED')
      expect(message).toContain(words)
      expect(message).toContain('authority.restoreRevocations')
    }
  })

  it.each(['ledger', 'ledger.head'])(
    'a ledger whose file %s was removed is reported by read and by append',
    async (name) => {
      const path = fresh()
      await fileLedger(path).append(entries)
      rmSync(`${dirname(path)}/${name}`)
      expect(await refusal(fileLedger(path).read())).toContain('ERR_ISSUE_REFUSED')
      expect(await refusal(fileLedger(path).append([issued(9)]))).toContain('ERR_ISSUE_REFUSED')
    },
  )

  it('keeps entries that were written before a crash kept the head from being replaced', async () => {
    const path = fresh()
    await fileLedger(path).append(entries.slice(0, 1))
    const head = readFileSync(`${path}.head`)
    await fileLedger(path).append(entries.slice(1))
    writeFileSync(`${path}.head`, head)
    expect(await fileLedger(path).read()).toEqual(entries)
    await fileLedger(path).append([issued(9)])
    expect(await fileLedger(path).read()).toEqual([...entries, issued(9)])
  })

  it('refuses new entries if the end of the last line is damaged', async () => {
    const path = fresh()
    await fileLedger(path).append(entries)
    const whole = readFileSync(path)
    writeFileSync(path, Buffer.concat([whole.subarray(0, -1), Buffer.from('\v')]))
    expect(await refusal(fileLedger(path).append([issued(9)]))).toContain('ERR_ISSUE_REFUSED')
    expect(readFileSync(path).at(-1)).toBe(0x0b)
  })

  it('reports a line of another format whose hash matches', async () => {
    const path = fresh()
    const good = { ...issued(1) }
    for (const value of [
      { ...good, kind: 'renewed' },
      { ...good, at: 'yesterday' },
      { ...good, serialNumber: 7 },
      { kind: 'crl', issuer, at, number: '-1' },
      { kind: 'revoked', issuer, at, serialNumber: '01', reason: 'certificateHold' },
      [],
      null,
    ]) {
      const text = JSON.stringify(value)
      const hash = createHash('sha256')
        .update(`${'0'.repeat(32)} ${text}`)
        .digest('hex')
        .slice(0, 32)
      writeFileSync(path, `${hash} ${text}\n`)
      writeFileSync(`${path}.head`, `${String(statSync(path).size)} ${hash}\n`)
      expect(await refusal(fileLedger(path).read())).toContain('line 1 is not an entry of this version')
    }
  })
})

describe('the file system', () => {
  it('a ledger has the entry of each append that was not rejected, whichever call of the file system fails', async () => {
    for (const how of ['fail', 'full', 'kill'] as const) {
      const counted = faultyFileSystem()
      const path = fresh()
      await fileLedger(path, { [FILE_SYSTEM]: counted }).append([issued(1)])
      const first = counted.calls.length
      await fileLedger(path, { [FILE_SYSTEM]: counted }).append([issued(2)])
      for (const call of sample(counted.calls.slice(first).keys(), 6)) {
        const place = fresh()
        await fileLedger(place).append([issued(1)])
        const outcome = await fileLedger(place, { [FILE_SYSTEM]: faultyFileSystem({ at: call, how }) })
          .append([issued(2), issued(3)])
          .catch((error: unknown) => error)
        const read = await fileLedger(place).read()
        if (outcome === undefined) expect(read).toEqual([issued(1), issued(2), issued(3)])
        else expect(isEtcdMtlsError(outcome, 'ERR_WRITE_FAILED')).toBe(true)
        expect(read[0]).toEqual(issued(1))
        for (const name of readdirSync(dirname(place)))
          if (!/^ledger(?:\.head)?$/.test(name)) truncateSync(`${dirname(place)}/${name}`)
      }
    }
  })

  it('reports a missing directory, and anything but a file', async () => {
    expect(await refusal(fileLedger(`${fresh()}/x/ledger`).append(entries))).toContain('ERR_WRITE_FAILED')
    const directory = fresh()
    mkdirSync(directory)
    expect(await refusal(fileLedger(directory).append(entries))).toContain('ERR_WRITE_FAILED')
    expect(await refusal(fileLedger(directory).read())).toContain('ERR_WRITE_FAILED')
    const link = fresh()
    const victim = fresh()
    writeFileSync(victim, 'precious')
    symlinkSync(victim, link)
    expect(await refusal(fileLedger(link).append(entries))).toContain('symbolic link')
    expect(readFileSync(victim, 'utf8')).toBe('precious')
  })
})

describe('processes', () => {
  const code = (path: string, name: string, rounds: number): string => `
    const { fileLedger } = await load('deferred')
    const ledger = fileLedger(${JSON.stringify(path)})
    for (let i = 0; i < ${String(rounds)}; i++) {
      const serialNumber = '${name}' + i
      await ledger.append([{ kind: 'revoked', serialNumber, issuer: 'x', reason: 'superseded', keyFingerprint256: null, at: new Date() }])
      console.log(serialNumber)
    }`

  const serials = async (path: string): Promise<string[]> =>
    (await fileLedger(path).read()).flatMap((entry) => (entry.kind === 'revoked' ? [entry.serialNumber] : []))

  it('processes lose no entry when they append at the same time', async () => {
    const path = fresh()
    const writers = ['A', 'B', 'C'].map((name) => children.start(code(path, name, 10)))
    await Promise.all(writers.map(({ ended }) => ended))
    const found = await serials(path)
    expect(found).toHaveLength(30)
    for (const name of ['A', 'B', 'C']) {
      expect(found.filter((each) => each.startsWith(name))).toEqual(
        Array.from({ length: 10 }, (_, i) => `${name}${String(i)}`),
      )
    }
  })

  it('a process writes nothing after a pause in which another one can have taken the lock', async () => {
    const path = fresh()
    await fileLedger(path).append([issued(1)])
    const bytes = readFileSync(path)
    vi.useFakeTimers({ toFake: ['Date'] })
    const before = (call: string): void => {
      if (call === `fstat ${path}`) vi.setSystemTime(Date.now() + 31_000)
    }
    try {
      const { details } = await refused(
        fileLedger(path, { [FILE_SYSTEM]: faultyFileSystem({ before }) }).append([issued(2)]),
        'ERR_WRITE_FAILED',
      )
      expect(details.reason).toContain('this process was paused')
    } finally {
      vi.useRealTimers()
    }
    expect(readFileSync(path)).toEqual(bytes)
    await fileLedger(path).append([issued(3)])
  })

  it('a ledger keeps every entry that was confirmed before its process was killed', async () => {
    const path = fresh()
    for (let round = 0; round < scaled({ short: 2, long: 6 }); round++) {
      const name = `R${String(round)}-`
      const writer = children.start(code(path, name, 100_000))
      await writer.says(`${name}${String(3 + round)}\n`)
      writer.process.kill('SIGKILL')
      const confirmed = (await writer.ended).split('\n').slice(0, -1)
      const found = await serials(path)
      for (const each of confirmed) expect(found).toContain(each)
    }
    await fileLedger(path).append([issued(1)])
    // A file of a lock that was not written completely stays for a minute.
    const left = readdirSync(dirname(path)).filter((name) => !/^ledger\.lock\.[0-9a-f]{32}\.new$/.test(name))
    expect(left).toEqual(['ledger', 'ledger.head'])
  })
})
