/** etcd in a container: the one door to testcontainers. */
import { abortable } from '../client/timing.js'
import { asError } from '../report/errors.js'
import { setTimeout as sleep } from 'node:timers/promises'
import type * as Testcontainers from 'testcontainers'
import { RUN_LABEL, runLabel } from './options.js'
import type { EtcdFiles, EtcdPlace, ExecResult, Host, Machine } from './machine.js'
import { LogBuffer, notStarted } from './log-buffer.js'

const HOME = '/etcd-mtls'
const CLIENT_PORT = 2379
const PEER_PORT = 2380
/** How long etcd may take to end in an orderly way, in seconds. */
const STOP_TIMEOUT = 10

type Door = typeof Testcontainers
type Engine = Awaited<ReturnType<Door['getContainerRuntimeClient']>>
type Container = ReturnType<Engine['container']['getById']>

interface ContainerOptions {
  readonly image: string
  readonly name: string
  readonly port: number
  /** Id of the network of a cluster; null for an etcd that is alone. */
  readonly network: string | null
}

/** Makes containers of `image`; with `shared`, on a network of their own, where they find each other by name. */
export async function containerHost(image: string, shared: boolean): Promise<Host> {
  const { door, engine } = await openDoor()
  // Not by the class Network, which knows no labels: the network carries the run's, too.
  const network = shared
    ? await engine.network.create({
        Name: `etcd-mtls-${crypto.randomUUID()}`,
        Driver: 'bridge',
        Labels: { [RUN_LABEL]: runLabel() },
      })
    : null
  return {
    machine: (name, ports) =>
      new ContainerMachine(door, engine, { image, name, port: ports.client, network: network?.id ?? null }),
    close: async () => {
      if (network !== null) await ignoreGone(network.remove())
    },
  }
}

async function openDoor(): Promise<{ door: Door; engine: Engine }> {
  let door: Door
  try {
    door = await import('testcontainers')
  } catch (cause) {
    throw notStarted("The package testcontainers is not installed; install it, or choose via: 'binary'.", [], cause)
  }
  try {
    return { door, engine: await door.getContainerRuntimeClient() }
  } catch (cause) {
    const remedy = "Start Docker or Podman, name its socket in DOCKER_HOST, or choose via: 'binary'."
    throw notStarted(`No container engine answers. ${remedy}`, [], cause)
  }
}

class ContainerMachine implements Machine {
  readonly place: EtcdPlace
  readonly logs = new LogBuffer()
  readonly #door: Door
  readonly #engine: Engine
  readonly #options: ContainerOptions
  /** Files that wait for the container to be created. */
  #files: EtcdFiles = {}
  #phase: 'new' | 'creating' | 'created' | 'removed' = 'new'
  #starting: Promise<Testcontainers.StartedTestContainer> | null = null
  #started: Testcontainers.StartedTestContainer | null = null
  #container: Container | null = null

  constructor(door: Door, engine: Engine, options: ContainerOptions) {
    this.#door = door
    this.#engine = engine
    this.#options = options
    this.place = placeOf(options)
  }

  async writeFiles(files: EtcdFiles): Promise<void> {
    if (this.#started === null) this.#files = { ...this.#files, ...files }
    else await this.#started.copyContentToContainer(this.#contents(files))
  }

  async start(flags: readonly string[], signal: AbortSignal): Promise<{ ended: Promise<string> }> {
    signal.throwIfAborted()
    if (this.#container !== null) {
      const since = Date.now()
      await this.#container.start()
      return { ended: this.#follow(this.#container, since) }
    }
    const template = this.#template(flags, signal)
    this.#starting = template.start()
    this.#starting.catch(() => undefined) // seen by the race below, and by remove()
    const watch = new AbortController()
    try {
      this.#started = await abortable(signal, Promise.race([this.#starting, this.#death(watch.signal)]))
    } catch (error) {
      throw await this.#explain(error, signal)
    } finally {
      watch.abort()
    }
    const container = this.#engine.container.getById(this.#started.getId())
    return { ended: this.#follow(container, 0) }
  }

  async stop(): Promise<void> {
    await this.#container?.stop({ t: STOP_TIMEOUT })
  }

  async pause(): Promise<void> {
    await this.#container?.pause()
  }

  async resume(): Promise<void> {
    await this.#container?.unpause()
  }

  async etcdctl(args: readonly string[]): Promise<ExecResult> {
    if (this.#started === null) throw notStarted('etcd has not been started.', [])
    const { exitCode, stdout, stderr } = await this.#started.exec(['etcdctl', ...args])
    return { exitCode, stdout, stderr }
  }

  async remove(): Promise<void> {
    const before = this.#phase
    this.#phase = 'removed'
    // A creation that has begun ends with a container, which must be removed; one that has not begun does not begin.
    if (before === 'creating') await Promise.allSettled([this.#starting])
    const container = this.#container
    if (container === null) return
    await ignoreGone(container.remove({ force: true, v: true }))
    await Promise.allSettled([this.#starting])
  }

  #template(flags: readonly string[], signal: AbortSignal): InstanceType<Door['GenericContainer']> {
    const { image, port, name, network } = this.#options
    const proceed = (phase: 'creating' | 'created'): void => {
      signal.throwIfAborted()
      if (this.#phase === 'removed') throw notStarted('etcd was removed while it was being started.', [])
      this.#phase = phase
    }
    const keep = (id: string): void => {
      this.#container = this.#engine.container.getById(id)
    }
    class EtcdContainer extends this.#door.GenericContainer {
      constructor() {
        super(image)
        // withExposedPorts would publish on every address of the machine, and on another port after each restart.
        const key = `${String(CLIENT_PORT)}/tcp`
        this.createOpts.ExposedPorts = { [key]: {} }
        this.hostConfig.PortBindings = { [key]: [{ HostIp: '127.0.0.1', HostPort: String(port) }] }
      }

      protected override async beforeContainerCreated(): Promise<void> {
        await Promise.resolve()
        proceed('creating')
      }

      protected override async containerCreated(id: string): Promise<void> {
        await Promise.resolve()
        keep(id)
        proceed('created')
      }
    }
    const template = new EtcdContainer()
      .withEntrypoint(['etcd'])
      .withCommand([...flags])
      .withUser('0:0')
      .withLabels({ [RUN_LABEL]: runLabel() })
      .withCopyContentToContainer(this.#contents(this.#files))
      .withWaitStrategy(noWait)
      // Without Ryuk there is nothing that testcontainers could clean up with, only a lock file that it would leave.
      .withAutoCleanup(process.env['TESTCONTAINERS_RYUK_DISABLED'] !== 'true')
    return network === null ? template : template.withNetworkMode(network).withNetworkAliases(name)
  }

  #contents(files: EtcdFiles): { content: string | Buffer; target: string; mode: number }[] {
    return Object.entries(files).map(([name, content]) => ({
      content: typeof content === 'string' ? content : Buffer.from(content),
      target: `${this.place.directory}/${name}`,
      mode: 0o600,
    }))
  }

  /** Rejects once the container has ended. testcontainers itself would wait 10 s for ports that no longer come. */
  async #death(stop: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(100, undefined, { signal: stop })
      const container = this.#container
      if (container === null) continue
      const { State: state } = await container.inspect()
      if (state.Status === 'exited' || state.Status === 'dead') throw new Error(endOf(state))
    }
  }

  /** A start that failed before there was a container is about the image; later, etcd's own log has the cause. */
  async #explain(error: unknown, signal: AbortSignal): Promise<unknown> {
    const container = this.#container
    if (container !== null) {
      const { State: state } = await container.inspect()
      if (!state.Running) await this.#follow(container, 0)
      return error
    }
    if (signal.aborted) return error
    const why = asError(error).message.trim()
    return notStarted(`No container could be made of the image "${this.#options.image}": ${why}.`, [], error)
  }

  /** Reads what the container writes, until it ends; resolves to a sentence on how it ended. */
  async #follow(container: Container, since: number): Promise<string> {
    const stream = await this.#engine.container.logs(container, { since: since / 1000 })
    stream.on('data', (text: string) => {
      this.logs.write(text)
    })
    await new Promise((resolve) => {
      for (const end of ['error', 'close', 'end']) stream.on(end, resolve)
    })
    this.logs.end()
    if (this.#phase === 'removed') return 'It was removed.'
    try {
      return endOf((await container.inspect()).State)
    } catch {
      return 'Its container is gone.'
    }
  }
}

function placeOf({ port, name, network }: ContainerOptions): EtcdPlace {
  const alone = network === null
  const client = String(CLIENT_PORT)
  const peer = String(PEER_PORT)
  return {
    directory: `${HOME}/tls`,
    dataDirectory: `${HOME}/data`,
    clientListenUrl: `https://0.0.0.0:${client}`,
    clientUrl: `https://127.0.0.1:${String(port)}`,
    localUrl: `https://127.0.0.1:${client}`,
    // Alone, etcd keeps its peer port to itself; in a cluster members find each other by name.
    peerListenUrl: alone ? `http://127.0.0.1:${peer}` : `https://0.0.0.0:${peer}`,
    peerUrl: alone ? `http://127.0.0.1:${peer}` : `https://${name}:${peer}`,
  }
}

/** Readiness is read from etcd's own log, in one place for containers and processes. */
const noWait: Testcontainers.WaitStrategy = {
  waitUntilReady: async () => Promise.resolve(),
  withStartupTimeout: () => noWait,
  isStartupTimeoutSet: () => false,
  getStartupTimeout: () => 0,
}

function endOf(state: { ExitCode: number; OOMKilled: boolean; Error: string }): string {
  if (state.Error !== '') return `Its container ended: ${state.Error}.`
  return `It ended with exit code ${String(state.ExitCode)}${state.OOMKilled ? ' because it had no memory left' : ''}.`
}

/** 404: it is gone already. 409: its removal is under way. */
async function ignoreGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal
  } catch (error) {
    const status: unknown = Reflect.get(Object(error), 'statusCode')
    if (status !== 404 && status !== 409) throw error
  }
}
