/** etcd in a container. No other file imports testcontainers. */
import { abortable } from '../client/internal.js'
import { asError } from '../report/internal.js'
import { setTimeout as sleep } from 'node:timers/promises'
import type * as Testcontainers from 'testcontainers'
import { RUN_LABEL, runLabel } from './options.js'
import type { EtcdFiles, EtcdPlace, ExecResult, Host, Machine } from './machine.js'
import { LogBuffer, notStarted } from './log-buffer.js'

const HOME = '/etcd-mtls'
const CLIENT_PORT = 2379
const PEER_PORT = 2380
/** After this time, in seconds, the engine kills etcd. */
const STOP_TIMEOUT = 10

type Library = typeof Testcontainers
type Engine = Awaited<ReturnType<Library['getContainerRuntimeClient']>>
type Container = ReturnType<Engine['container']['getById']>

interface ContainerOptions {
  readonly image: string
  readonly name: string
  readonly port: number
  /** Network id of the cluster; null for a single etcd. */
  readonly network: string | null
}

/** @param isCluster Whether the containers get a network, on which they resolve each other's names. */
export async function containerHost(image: string, isCluster: boolean): Promise<Host> {
  const { library, engine } = await loadLibrary()
  // The class Network of testcontainers cannot set labels.
  const network = isCluster
    ? await engine.network.create({
        Name: `etcd-mtls-${crypto.randomUUID()}`,
        Driver: 'bridge',
        Labels: { [RUN_LABEL]: runLabel() },
      })
    : null
  return {
    machine: (name, ports) =>
      new ContainerMachine(library, engine, { image, name, port: ports.client, network: network?.id ?? null }),
    close: async () => {
      if (network !== null) await ignoreGone(network.remove())
    },
  }
}

async function loadLibrary(): Promise<{ library: Library; engine: Engine }> {
  let library: Library
  try {
    library = await import('testcontainers')
  } catch (cause) {
    throw notStarted("The package testcontainers is not installed; install it, or choose via: 'binary'.", [], cause)
  }
  try {
    return { library, engine: await library.getContainerRuntimeClient() }
  } catch (cause) {
    const remedy = "Start Docker or Podman, name its socket in DOCKER_HOST, or choose via: 'binary'."
    throw notStarted(`No container engine answers. ${remedy}`, [], cause)
  }
}

class ContainerMachine implements Machine {
  readonly place: EtcdPlace
  readonly logs = new LogBuffer()
  readonly #library: Library
  readonly #engine: Engine
  readonly #options: ContainerOptions
  /** Files to copy when the container is created. */
  #files: EtcdFiles = {}
  #phase: 'new' | 'creating' | 'created' | 'removed' = 'new'
  #starting: Promise<Testcontainers.StartedTestContainer> | null = null
  #started: Testcontainers.StartedTestContainer | null = null
  #container: Container | null = null

  constructor(library: Library, engine: Engine, options: ContainerOptions) {
    this.#library = library
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
    this.#starting.catch(() => undefined) // the race below and remove() handle the rejection
    const watch = new AbortController()
    try {
      this.#started = await abortable(signal, Promise.race([this.#starting, this.#rejectOnExit(watch.signal)]))
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
    // A creation in progress must finish first, so that its container can be removed. No other one begins: see `proceed`.
    if (before === 'creating') await Promise.allSettled([this.#starting])
    const container = this.#container
    if (container === null) return
    await ignoreGone(container.remove({ force: true, v: true }))
    await Promise.allSettled([this.#starting])
  }

  #template(flags: readonly string[], signal: AbortSignal): InstanceType<Library['GenericContainer']> {
    const { image, port, name, network } = this.#options
    const proceed = (phase: 'creating' | 'created'): void => {
      signal.throwIfAborted()
      if (this.#phase === 'removed') throw notStarted('etcd was removed while it was being started.', [])
      this.#phase = phase
    }
    const keep = (id: string): void => {
      this.#container = this.#engine.container.getById(id)
    }
    class EtcdContainer extends this.#library.GenericContainer {
      constructor() {
        super(image)
        // withExposedPorts would publish on all addresses, and on a different port after each restart.
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
      // Without Ryuk, testcontainers cannot clean up, and would leave a lock file behind.
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

  /** testcontainers would wait another 10 s for the ports of a container that has exited. */
  async #rejectOnExit(stop: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(100, undefined, { signal: stop })
      const container = this.#container
      if (container === null) continue
      const { State: state } = await container.inspect()
      if (state.Status === 'exited' || state.Status === 'dead') throw new Error(endOf(state))
    }
  }

  /** Without a container, the image is the cause; otherwise etcd's log has the cause. */
  async #explain(error: unknown, signal: AbortSignal): Promise<unknown> {
    // A container that is about to start would be followed until it ends, which it does not before this call has ended.
    if (signal.aborted) return error
    const container = this.#container
    if (container !== null) {
      const { State: state } = await container.inspect()
      if (!state.Running) await this.#follow(container, 0)
      return error
    }
    const why = asError(error).message.trim()
    return notStarted(`No container could be made of the image "${this.#options.image}": ${why}.`, [], error)
  }

  /** Reads the output until the container exits; resolves to a sentence that says how it ended. */
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
    // A single etcd does not publish its peer port; the members of a cluster resolve each other's names.
    peerListenUrl: alone ? `http://127.0.0.1:${peer}` : `https://0.0.0.0:${peer}`,
    peerUrl: alone ? `http://127.0.0.1:${peer}` : `https://${name}:${peer}`,
  }
}

/** TestEtcd waits for etcd's log line instead, as for a local process. */
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

/** 404: already removed. 409: its removal is in progress. */
async function ignoreGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal
  } catch (error) {
    const status: unknown = Reflect.get(Object(error), 'statusCode')
    if (status !== 404 && status !== 409) throw error
  }
}
