/**
 * The lint and `fromKubeApiserver` read files below a `root` whose owner meanwhile replaces folders and files by links that lead
 * out of it, and by FIFOs. Nothing outside is read, nothing hangs, and no file stays open.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fromKubeApiserver, type KubeApiserverInput } from '../../../src/config/index.js'
import { lintOne } from '../../support/lint-one.js'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { startChild } from '../../support/child.js'
import { scaled } from '../../support/long.js'
import { dns, type Minted, mintCa, mintLeaf } from '../../support/mint.js'

const ATTACKER = 54_321
const ROUNDS = scaled({ short: 40, long: 1000 })
const DAY = 86_400_000

/** Replaces the folders and files of etcd by links and FIFOs, and puts them back, as fast as it can. */
const ATTACK = `
const fs = require('node:fs'), path = require('node:path')
const [root, outside, fifo] = process.argv.slice(1)
const files = ['etcd.env', 'ca.crt', 'etcd.crt', 'etcd.key'].map((name) => 'etc/etcd/' + name)
const places = ['etc/etcd', 'etc/etcd', 'etc/etcd', 'etc', 'etc/passwd', ...files]
const attempt = (work) => { try { work() } catch {} }
const step = () => {
  const place = places[Math.floor(Math.random() * places.length)]
  const at = path.join(root, place), aside = at + '.aside', there = path.join(outside, place)
  const isFile = /[.]|passwd/.test(place)
  const kind = Math.floor(Math.random() * (isFile ? 4 : 3))
  attempt(() => {
    fs.renameSync(at, aside)
    if (kind === 3) fs.linkSync(fifo, at)
    else fs.symlinkSync(kind === 0 ? there : path.relative(path.dirname(at), there), at)
  })
  // It stays for a moment, at random, so that it meets each step of a reader.
  for (let left = Math.random() * 20_000; left > 0; left--);
  attempt(() => fs.unlinkSync(at))
  attempt(() => fs.renameSync(aside, at))
}
process.stdout.write('ready')
const parent = process.ppid
const loop = () => { for (let i = 0; i < 50; i++) step(); if (process.ppid === parent) setImmediate(loop) }
loop()
`

let base: string
let root: string
let outside: string
let fifo: string

const UNIT = `[Service]
User=etcd
EnvironmentFile=/etc/etcd/etcd.env
ExecStart=/usr/bin/etcd --name=a --cert-file=/etc/etcd/etcd.crt --key-file=/etc/etcd/etcd.key --trusted-ca-file=/etc/etcd/ca.crt
`
const FLAGS: KubeApiserverInput = {
  flags: [
    'kube-apiserver',
    '--etcd-servers=https://10.0.0.1:2379',
    '--etcd-cafile=/etc/etcd/ca.crt',
    '--etcd-certfile=/etc/etcd/etcd.crt',
    '--etcd-keyfile=/etc/etcd/etcd.key',
  ],
}

function writeDisk(disk: string, { ca, leaf, word }: { ca: Minted; leaf: Minted; word: string }): void {
  mkdirSync(join(disk, 'etc/etcd'), { recursive: true })
  const files = {
    'etc/passwd': `etcd:x:${word === 'own' ? '4711' : '666'}:4711::/:/bin/false\n`,
    'etc/etcd/etcd.env': `ETCD_ELECTION_TIMEOUT=${word}\n`,
    'etc/etcd/ca.crt': ca.pem,
    'etc/etcd/etcd.crt': leaf.pem,
    'etc/etcd/etcd.key': leaf.keyPem,
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(disk, name), content, { mode: 0o644 })
}

beforeEach(() => {
  // Not below the folder of the run, so that the attacker can reach it.
  base = mkdtempSync('/tmp/etcd-mtls-root-')
  chmodSync(base, 0o755)
  root = join(base, 'disk')
  outside = join(base, 'outside')
  fifo = join(base, 'fifo')
  const past = { notBefore: new Date(Date.now() - 90 * DAY), notAfter: new Date(Date.now() - DAY) }
  const [ca, stolen] = [mintCa({ subject: 'Own CA' }), mintCa({ subject: 'Stolen CA', ...past })]
  const names = [dns('etcd.test')]
  writeDisk(root, { ca, leaf: mintLeaf({ subject: 'own', names, issuer: ca }), word: 'own' })
  const leaf = mintLeaf({ subject: 'stolen', names, issuer: stolen, ...past })
  writeDisk(outside, { ca: stolen, leaf, word: 'stolen' })
  execFileSync('mkfifo', ['-m', '666', fifo], { stdio: 'pipe' })
  if (process.geteuid?.() !== 0) return
  for (const each of [root, join(root, 'etc'), join(root, 'etc/etcd'), fifo]) chownSync(each, ATTACKER, ATTACKER)
})
afterEach(() => {
  rmSync(base, { recursive: true, force: true })
})

const lint = async (): Promise<string> => JSON.stringify(await lintOne({ unit: UNIT }, { root }))

/** What a source of kube-apiserver loads: the subject of its certificate, or its findings. */
async function load(source: Awaited<ReturnType<typeof fromKubeApiserver>>['credentials']): Promise<string> {
  try {
    const { chain, trustAnchors } = await source.load()
    return [...chain, ...trustAnchors].map(({ subject }) => subject.toString()).join()
  } catch (error) {
    if (!isEtcdMtlsError(error, 'ERR_CREDENTIALS_UNREADABLE')) throw error
    return JSON.stringify(error.details.findings)
  }
}

/** Open files of this process below the test's folder. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith(base) ? [target] : []
    } catch {
      return [] // the descriptor of this listing
    }
  })
}

describe('a root whose owner replaces its folders and files', () => {
  it.each([
    ['the lint reads', () => lint],
    [
      'a source of kube-apiserver loads again and again',
      async () => {
        const { credentials } = await fromKubeApiserver(FLAGS, { root })
        return async () => load(credentials)
      },
    ],
  ])('Nothing outside the root is read while %s and its owner replaces folders and files', async (_, begin) => {
    const read = await begin()
    expect(await read()).toMatch(/own/i)
    const who = process.geteuid?.() === 0 ? { uid: ATTACKER, gid: ATTACKER } : {}
    await using attacker = startChild([process.execPath, '-e', ATTACK, root, outside, fifo], who)
    await attacker.says('ready')
    const seen: string[] = []
    // On a busy machine, the attacker may not have had its turn yet.
    const isMet = (): boolean => new Set(seen).size > 1
    for (let round = 0; round < ROUNDS || (!isMet() && round < 100 * ROUNDS); round++) seen.push(await read())
    await attacker.stop()
    expect(seen.filter((each) => /stolen|"666"/i.test(each)).length).toBe(0)
    expect(openFiles()).toEqual([])
    // An attack that no reader meets would show nothing.
    expect(isMet()).toBe(true)
  })
})
