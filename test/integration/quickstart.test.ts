/** The quickstart as a newcomer runs it, to its end and ended half way. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getContainerRuntimeClient } from 'testcontainers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startChild } from '../support/child.js'
import { root } from '../support/compiled.js'
import { drawn } from '../support/long.js'

const cache = join(root, '.cache')

/** No engine answers there, so the quickstart goes on to the next place that etcd can come from. */
const NO_ENGINE = { DOCKER_HOST: 'unix:///no/such.sock' }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'quickstart-test-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  pid: number
  code: number | null
  out: string
}

interface Interruption {
  signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'
  /** What the script has to have written before the signal is sent. */
  after: string
  /** Milliseconds to wait then, to end it somewhere inside of a step. */
  delay: number
}

async function quickstart(env: NodeJS.ProcessEnv, interruption?: Interruption): Promise<Ended> {
  const {
    process: child,
    written,
    says,
    ended,
  } = startChild([process.execPath, 'scripts/quickstart.mjs'], {
    cwd: root,
    env: { ...process.env, TMPDIR: folder, ...env },
  })
  if (interruption !== undefined) {
    await says(interruption.after)
    await sleep(interruption.delay)
    child.kill(interruption.signal)
  }
  const { code } = await ended
  return { pid: child.pid ?? 0, code, out: written.all }
}

/** Checks everything that a run could have left: containers, networks, processes, temporary files, compiled stories. */
async function leavesNothing({ pid }: Ended): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container
  const filters = { label: [`etcd-mtls.run=quickstart-${String(pid)}`] }
  const stories = (existsSync(cache) ? readdirSync(cache) : []).filter((it) =>
    it.startsWith(`quickstart-${String(pid)}-`),
  )
  const left = [
    await dockerode.listContainers({ all: true, filters }),
    await dockerode.listNetworks({ filters }),
    processesWith(folder),
    readdirSync(folder),
    stories,
  ]
  expect(left.flat()).toEqual([])
}

/** Command lines that name this text. */
function processesWith(text: string): string[] {
  const lines = readdirSync('/proc').map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    } catch {
      return '' // it is no process, or has ended in between
    }
  })
  return lines.filter((line) => line.includes(text))
}

const container = { where: 'a container', env: {}, first: 'etcd will run in a container' }
const alone = { where: 'a process', env: NO_ENGINE, first: 'etcd will run as a process' }

it.each(drawn([container, alone], 1))(
  'tells the whole story with etcd in $where, and leaves nothing behind',
  async (place) => {
    const ended = await quickstart(place.env)
    expect(ended.out).toContain(place.first)
    expect(ended.out).toContain('watch  greeting = hello over mTLS')
    expect(ended.out).toContain('error san/host-not-covered')
    expect(ended.out).toContain('warning usage/gateway-client-auth-missing')
    expect(ended.out).not.toMatch(/PRIVATE KEY|Warning:/)
    expect(ended.code).toBe(0)
    await leavesNothing(ended)
  },
)

const starting = { signal: 'SIGTERM', after: 'Start etcd', delay: 30 } as const
/** In a process, only starting differs. */
const moments = [
  { ...container, signal: 'SIGINT', after: 'etcd will run', delay: 0 },
  { ...container, ...starting },
  { ...container, signal: 'SIGHUP', after: 'Connect over mutual TLS', delay: 0 },
  { ...alone, ...starting },
] as const

it.each(drawn(moments, 1))(
  'ended by $signal $delay ms after "$after" with etcd in $where leaves nothing behind',
  async (moment) => {
    const ended = await quickstart(moment.env, moment)
    expect(ended.out).not.toContain('Done')
    expect(ended.code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[moment.signal])
    await leavesNothing(ended)
  },
)

it('names in one sentence the program to install if it cannot be downloaded', async () => {
  const ended = await quickstart({ ...NO_ENGINE, PATH: '/no/such/folder', ETCD_MTLS_ETCD: '' })
  expect(ended.out).toBe(
    'No etcd can be had here: start Docker or Podman, or install etcd 3.5 into a folder on PATH' +
      ' (https://github.com/etcd-io/etcd/releases; on Debian or Ubuntu "sudo apt-get install etcd-server").\n',
  )
  expect(ended.code).toBe(1)
  await leavesNothing(ended)
})
