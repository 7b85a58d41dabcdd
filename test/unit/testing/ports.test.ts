/** Ports that a test holds: who else may get them, and what becomes of them. */
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { beforeEach, describe, expect, it } from 'vitest'
import { startEtcd } from '../../../src/testing/index.js'
import { HeldPorts, isPortTaken, portRange } from '../../../src/testing/ports.js'
import { childModules } from '../../support/child-modules.js'
import { mintPki } from '../../support/etcd.js'
import { scaled } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'

const folder = temporaryFolder()

describe('portRange', () => {
  it.each([
    ['32768\t60999\n', { first: 10_000, last: 32_767 }],
    ['20000 60999', { first: 10_000, last: 19_999 }],
    ['1024\t60999', { first: 61_000, last: 65_535 }],
    ['1024\t65535', { first: 10_000, last: 32_767 }],
    ['', { first: 10_000, last: 32_767 }],
    [null, { first: 10_000, last: 32_767 }],
  ])('the range of ports is outside of the ephemeral range %j if that leaves enough ports', (ephemeral, range) => {
    expect(portRange(ephemeral)).toEqual(range)
  })
})

/** Takes the port and releases it. @throws If it is held. */
async function isFree(port: number): Promise<void> {
  const only = new HeldPorts({ first: port, last: port })
  expect(await only.take(1)).toEqual([port])
  only.release()
}

describe('HeldPorts', () => {
  it('never gives a port that is held, however many groups of ports are taken at once', async () => {
    const { groups, range } = scaled({
      short: { groups: 15, range: { first: 10_000, last: 10_239 } },
      long: { groups: 1_500, range: { first: 10_000, last: 32_767 } },
    })
    const holders = Array.from({ length: 4 }, () => new HeldPorts(range))
    const all = new Set<number>()
    await Promise.all(
      holders.map(async (holder) => {
        for (let group = 0; group < groups; group += 1) for (const port of await holder.take(3)) all.add(port)
      }),
    )
    expect(all.size).toBe(4 * groups * 3)
    for (const holder of holders) holder.release()
  })

  it('gives no port that something listens on, and then holds none', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const range = { first: port, last: port }
    const message = `No port between ${String(port)} and ${String(port)} is free after 1000 attempts.`
    await expect(new HeldPorts(range).take(1)).rejects.toThrow(message)
    server.close()
    await once(server, 'close')
    await expect(new HeldPorts(range).take(2)).rejects.toThrow(message)
    await isFree(port)
  })

  it('holds a port against another process, which keeps no process alive and ends with its process', async () => {
    using children = await childModules(['src/testing/ports.ts'])
    const child = children.start(`
      const { HeldPorts } = await load('ports')
      console.log('holds ' + (await new HeldPorts().take(1)) + '.')
      setTimeout(() => {}, 60_000)`)
    await child.says('.')
    const port = Number(/\d+/.exec(child.output())?.[0])
    await expect(isFree(port)).rejects.toThrow('is free')
    child.process.kill('SIGKILL')
    await child.ended
    await isFree(port)
    await children.start(`await new (await load('ports')).HeldPorts().take(2)`).ended
  })
})

describe('startEtcd', () => {
  const { server } = mintPki()
  let root = ''
  beforeEach(() => {
    root = folder.file(crypto.randomUUID())
    mkdirSync(root)
  })

  /** A program that reports `busy` times that its port is taken, and serves then. */
  function program(busy: number): string {
    const runs = `${root}/runs`
    writeFileSync(
      `${root}/etcd`,
      `#!/bin/sh
echo "$@" >> ${runs}
if [ $(wc -l < ${runs}) -le ${String(busy)} ]; then
  echo '{"level":"fatal","msg":"start failed","error":"listen tcp 127.0.0.1:1: bind: address already in use"}'
  exit 1
fi
echo 'serving client traffic securely'
exec sleep 600
`,
      { mode: 0o755 },
    )
    return `${root}/etcd`
  }

  const portsUsed = (): string[] =>
    [...readFileSync(`${root}/runs`, 'utf8').matchAll(/--listen-client-urls=\S*:(\d+)/g)].map(([, port]) => port ?? '')

  it('takes other ports if etcd reports that one is taken', async () => {
    await using etcd = await startEtcd({ server, via: 'binary', binary: program(2) })
    const used = portsUsed()
    expect(new Set(used).size).toBe(3)
    expect(used.at(-1)).toBe(String(etcd.port))
  })

  it('fails at the third port that is taken, and holds none of the ports', async () => {
    await expect(startEtcd({ server, via: 'binary', binary: program(3) })).rejects.toMatchObject({
      code: 'ERR_ETCD_NOT_STARTED',
    })
    const used = portsUsed()
    expect(used).toHaveLength(3)
    for (const port of used) await isFree(Number(port))
  })

  it('holds the port, outside of the ephemeral range, while etcd is stopped, and no longer than it is closed', async () => {
    const etcd = await startEtcd({ server, via: 'binary', binary: program(0) })
    await etcd.stop()
    const { first, last } = portRange()
    expect(etcd.port).toBeGreaterThanOrEqual(first)
    expect(etcd.port).toBeLessThanOrEqual(last)
    await expect(isFree(etcd.port)).rejects.toThrow('is free')
    await etcd.start()
    expect(new Set(portsUsed())).toEqual(new Set([String(etcd.port)]))
    await etcd.close()
    await isFree(etcd.port)
  })
})

it.each([
  ['failed to bind host port for 127.0.0.1:4001: port is already allocated', true],
  ['listen tcp 127.0.0.1:4001: bind: address already in use', true],
  ['tls: private key does not match public key', false],
])('reads "%s": the port is taken is %s', (line, taken) => {
  expect(isPortTaken(['etcd could not be started.', line])).toBe(taken)
})
