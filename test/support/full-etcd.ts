/** An etcd that has one file descriptor left: it accepts a connection and cannot open its certificate for it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { startEtcd, type TestEtcd } from '../../src/testing/index.js'
import type { Credentials } from '../../src/credentials/index.js'

interface FullEtcd {
  readonly etcd: TestEtcd
  /** Leaves it one descriptor. */
  readonly fill: () => Promise<void>
  readonly close: () => Promise<void>
}

export async function startFullEtcd(server: Credentials): Promise<FullEtcd> {
  const folder = mkdtempSync(join(tmpdir(), 'full-etcd-'))
  const [binary, pidFile] = [join(folder, 'etcd'), join(folder, 'pid')]
  writeFileSync(binary, `#!/bin/sh\n[ "$1" = --version ] || echo $$ > '${pidFile}'\nexec etcd "$@"\n`, { mode: 0o755 })
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const etcd = await startEtcd({ server, via: 'binary', binary })
    const pid = readFileSync(pidFile, 'utf8').trim()
    const descriptors = (): number[] => readdirSync(`/proc/${pid}/fd`).map(Number)
    const fill = async (): Promise<void> => {
      // The connections of its start have ended when nothing has changed for half a second.
      for (let [same, before] = [0, '']; same < 10; before = descriptors().join()) {
        same = before === descriptors().join() ? same + 1 : 0
        await setTimeout(50)
      }
      const used = new Set(descriptors())
      // A new descriptor has the lowest free number, which must be below the limit: one of them is left.
      let [limit, free] = [0, 0]
      for (; free < 2; limit += 1) if (!used.has(limit)) free += 1
      execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${String(limit - 1)}:`], { stdio: 'pipe' })
    }
    const close = async (): Promise<void> => {
      await etcd.close()
      remove()
    }
    return { etcd, fill, close }
  } catch (error) {
    remove()
    throw error
  }
}
