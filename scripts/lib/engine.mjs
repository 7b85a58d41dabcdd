/** A container engine for the tests: the one that runs, or Docker's, started and if need be installed. */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { aptInstall, canInstall } from './debian.mjs'
import { answers, dockerAt } from './engine-api.mjs'
import { say, Stop } from './lifecycle.mjs'
import { killGroup, lastLines, run, which } from './process.mjs'

const DEFAULT_SOCKET = '/var/run/docker.sock'

/** Folders of system programs that a user's PATH often lacks. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** How long dockerd may take to answer after its start, in milliseconds. */
const START_TIMEOUT = 60_000

/**
 * The container engine that answers, or null. `DOCKER_HOST` decides alone when it is set; else the usual sockets are
 * tried, and the docker command's current context. testcontainers finds the same one: a place that is not the default is
 * put into `DOCKER_HOST`.
 */
export async function findEngine() {
  if (process.env.DOCKER_HOST) return answering(process.env.DOCKER_HOST)
  for (const socket of usualSockets()) {
    // A socket that systemd holds for a daemon that sleeps answers only after the daemon has started.
    const docker = existsSync(socket) ? await answering(`unix://${socket}`, 20_000) : null
    if (docker === null) continue
    if (socket !== DEFAULT_SOCKET) process.env.DOCKER_HOST = `unix://${socket}`
    return docker
  }
  const host = await contextHost()
  if (host === null) return null
  process.env.DOCKER_HOST = host
  const docker = await answering(host)
  if (docker === null) delete process.env.DOCKER_HOST
  return docker
}

async function answering(host, timeout) {
  const docker = await dockerAt(host)
  return (await answers(docker, timeout)) ? docker : null
}

/**
 * The container engine that answers; where none does, Docker's daemon is started, and before that installed where we
 * may. A daemon started here is stopped by `defer`'s clean-up.
 *
 * @throws {Stop} with one sentence that says what to install.
 */
export async function ensureEngine({ root, signal, defer }) {
  const running = await findEngine()
  if (running !== null) return running
  if (process.env.DOCKER_HOST) {
    throw new Stop(
      `No container engine answers at DOCKER_HOST=${process.env.DOCKER_HOST}: start it there, or unset DOCKER_HOST.`,
    )
  }
  if (findDockerd() === null) {
    if (!canInstall()) {
      throw new Stop(
        'The integration tests need a container engine and none answers: install Docker or Podman and start it' +
          ' (on Debian or Ubuntu: "sudo apt-get install docker.io"), or name its socket in DOCKER_HOST.',
      )
    }
    await aptInstall(['docker.io'], { signal })
    const started = await findEngine() // where an init system runs, the package has started its daemon itself
    if (started !== null) return started
  }
  const dockerd = findDockerd()
  if (dockerd === null) throw new Stop('The package docker.io is installed, but it brought no dockerd program.')
  if (process.getuid?.() !== 0) {
    throw new Stop('Docker is installed and its daemon does not run: start it as root ("sudo systemctl start docker").')
  }
  return startDockerd(dockerd, { root, signal, defer })
}

function usualSockets() {
  const home = homedir()
  const runtime = process.env.XDG_RUNTIME_DIR
  const own = [join(home, '.docker/run/docker.sock'), join(home, '.docker/desktop/docker.sock')]
  return [DEFAULT_SOCKET, ...(runtime ? [join(runtime, 'docker.sock')] : []), ...own]
}

async function contextHost() {
  const docker = which('docker')
  if (docker === null) return null
  const args = ['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}']
  const { code, stdout } = await run(docker, args, { timeout: 5_000 })
  return code === 0 && /^(unix|npipe|tcp):/.test(stdout.trim()) ? stdout.trim() : null
}

function findDockerd() {
  return which('dockerd', { extra: SYSTEM_FOLDERS })
}

async function startDockerd(dockerd, { root, signal, defer }) {
  const engine = await dockerAt(`unix://${DEFAULT_SOCKET}`)
  if (liveProcesses('dockerd').length > 0) {
    say('Waiting for the Docker daemon that is starting …')
    await untilAnswers(engine, { signal, gone: () => liveProcesses('dockerd').length === 0, log: null })
    return engine
  }
  removeStaleFiles()
  say('Starting the Docker daemon (dockerd) …')
  const cache = join(root, '.cache')
  mkdirSync(cache, { recursive: true })
  const log = join(cache, 'dockerd.log')
  const out = openSync(log, 'w')
  const path = [process.env.PATH ?? '', ...SYSTEM_FOLDERS].join(':')
  // Detached: Ctrl-C is for us; the daemon is needed until the containers are removed.
  const child = spawn(dockerd, [], { stdio: ['ignore', out, out], detached: true, env: { ...process.env, PATH: path } })
  closeSync(out)
  const ended = new Promise((resolve) => {
    child.on('exit', resolve)
    child.on('error', resolve)
  })
  let gone = false
  void ended.then(() => (gone = true))
  defer(async () => {
    if (!gone) say('Stopping the Docker daemon …')
    await stopDockerd(child, ended)
    rmSync(log, { force: true })
  })
  await untilAnswers(engine, { signal, gone: () => gone, log })
  return engine
}

async function untilAnswers(engine, { signal, gone, log }) {
  const deadline = Date.now() + START_TIMEOUT
  while (!(await answers(engine, 2_000))) {
    signal?.throwIfAborted()
    if (gone() || Date.now() > deadline) {
      const words = log === null ? '' : ` Its last words: ${lastLines(readFileSync(log, 'utf8'), 4)}`
      throw new Stop(`The Docker daemon did not start.${words}`)
    }
    await sleep(100)
  }
}

async function stopDockerd(child, ended) {
  killGroup(child, 'SIGTERM')
  const inTime = await Promise.race([ended.then(() => true), sleep(20_000, false, { ref: false })])
  if (!inTime) {
    killGroup(child, 'SIGKILL')
    await ended
  }
}

/** A daemon that was killed leaves files that keep the next one from starting, once their process ids are taken anew. */
function removeStaleFiles() {
  for (const file of ['docker.pid', 'docker.sock']) rmSync(join('/var/run', file), { force: true })
  if (liveProcesses('containerd').length > 0) return
  for (const file of ['containerd.pid', 'containerd.sock', 'containerd.sock.ttrpc', 'containerd-debug.sock']) {
    rmSync(join('/var/run/docker/containerd', file), { force: true })
  }
}

/** Ids of the processes with this program name, the dead that nobody has buried left out. */
function liveProcesses(name) {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const [, comm, state] = /^\d+ \((.*)\) (\S)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
      return comm === name && state !== 'Z'
    } catch {
      return false // it ended between the two calls
    }
  })
}
