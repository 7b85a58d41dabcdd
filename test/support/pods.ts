/** Runs what a manifest says as containers of the engine, as a kubelet does, and asks its probes. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { getContainerRuntimeClient } from 'testcontainers'
import { defaultImage, RUN_LABEL, runLabel } from '../../src/testing/options.js'

type Engine = Awaited<ReturnType<typeof getContainerRuntimeClient>>['container']['dockerode']
type Container = ReturnType<Engine['getContainer']>

/** What is used of a pod's specification. */
export interface PodSpec {
  securityContext?: { runAsUser?: number; runAsGroup?: number; fsGroup?: number }
  containers: [ContainerSpec]
  volumes?: { name: string; secret?: { secretName: string; defaultMode: number }; hostPath?: { path: string } }[]
}
interface ContainerSpec {
  command: string[]
  env?: { name: string; value?: string; valueFrom?: { fieldRef: { fieldPath: string } } }[]
  ports?: { containerPort: number }[]
  securityContext?: {
    allowPrivilegeEscalation?: boolean
    capabilities?: { drop: string[] }
    readOnlyRootFilesystem?: boolean
  }
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[]
  startupProbe: Probe
  livenessProbe: Probe
  readinessProbe: Probe
}
interface Probe {
  exec?: { command: string[] }
  httpGet?: { path: string; port: number }
  tcpSocket?: { port: number }
}
export type ProbeName = 'startupProbe' | 'livenessProbe' | 'readinessProbe'

/** Texts by file, of a Secret or of a folder of the host. */
export type Files = Readonly<Record<string, string>>

/** A network on which pods have names, and the pods of it. All of them end with it. */
export class Pods implements AsyncDisposable {
  readonly #engine: Engine
  readonly #network: string
  readonly #containers: Container[] = []

  private constructor(engine: Engine, network: string) {
    this.#engine = engine
    this.#network = network
  }

  static async open(): Promise<Pods> {
    const engine = (await getContainerRuntimeClient()).container.dockerode
    const name = `etcd-mtls-${crypto.randomUUID()}`
    const network = await engine.createNetwork({ Name: name, Driver: 'bridge', Labels: LABELS })
    return new Pods(engine, network.id)
  }

  /**
   * Starts the container of a pod. Nothing is waited for.
   *
   * @param names By which the others find it, as a headless Service gives them.
   * @param sources Files by the name of a Secret, or by the path of a folder of the host.
   */
  async start(
    name: string,
    spec: PodSpec,
    names: readonly string[],
    sources: Readonly<Record<string, Files>>,
  ): Promise<Pod> {
    const [container] = spec.containers
    const { runAsUser = 0, runAsGroup = 0, fsGroup = 0 } = spec.securityContext ?? {}
    const holder = await this.#hold(spec, sources)
    const variables = new Map(container.env?.map((each) => [each.name, each.value ?? name]))
    const expand = (word: string): string =>
      word.replace(/\$(?:\$|\((\w+)\))/g, (whole, variable?: string) =>
        variable === undefined ? '$' : (variables.get(variable) ?? whole),
      )
    const { capabilities, allowPrivilegeEscalation, readOnlyRootFilesystem = false } = container.securityContext ?? {}
    const data = container.volumeMounts.filter(({ readOnly = false }) => !readOnly)
    const ports = Object.fromEntries((container.ports ?? []).map((port) => [`${String(port.containerPort)}/tcp`, {}]))
    const created = await this.#create({
      Hostname: name,
      Entrypoint: container.command.map(expand),
      User: `${String(runAsUser)}:${String(runAsGroup)}`,
      Env: [...variables].map(([variable, value]) => `${variable}=${value}`),
      ExposedPorts: ports,
      HostConfig: {
        ReadonlyRootfs: readOnlyRootFilesystem,
        CapDrop: capabilities?.drop ?? [],
        SecurityOpt: allowPrivilegeEscalation === false ? ['no-new-privileges'] : [],
        VolumesFrom: [`${holder.id}:ro`],
        // A volume of the kubelet belongs to root and to the group of the pod.
        Tmpfs: Object.fromEntries(data.map(({ mountPath }) => [mountPath, `mode=2775,gid=${String(fsGroup)}`])),
        PortBindings: Object.fromEntries(
          Object.keys(ports).map((port) => [port, [{ HostIp: '127.0.0.1', HostPort: '' }]]),
        ),
        NetworkMode: this.#network,
      },
      NetworkingConfig: { EndpointsConfig: { [this.#network]: { Aliases: [...names] } } },
    })
    await created.start()
    return Pod.of(created, container, expand)
  }

  /** A container that never runs, whose volumes hold what is mounted to be read. */
  async #hold(spec: PodSpec, sources: Readonly<Record<string, Files>>): Promise<Container> {
    const mounts = spec.containers[0].volumeMounts.filter(({ readOnly = false }) => readOnly)
    const holder = await this.#create({
      Entrypoint: ['etcd'],
      Volumes: Object.fromEntries(mounts.map(({ mountPath }) => [mountPath, {}])),
    })
    const group = spec.securityContext?.fsGroup ?? 0
    for (const { name, mountPath } of mounts) {
      const volume = spec.volumes?.find((each) => each.name === name)
      const files = sources[volume?.secret?.secretName ?? volume?.hostPath?.path ?? '']
      if (files === undefined) throw new Error(`Nothing to mount for the volume ${name}`)
      await holder.putArchive(archive(files, volume?.secret?.defaultMode ?? 0o600, group), { path: mountPath })
    }
    return holder
  }

  async #create(options: Parameters<Engine['createContainer']>[0]): Promise<Container> {
    const created = await this.#engine.createContainer({ Image: defaultImage(), Labels: LABELS, ...options })
    this.#containers.unshift(created)
    return created
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Those that use volumes of others go first.
    for (const container of this.#containers) await container.remove({ force: true, v: true })
    await this.#engine.getNetwork(this.#network).remove()
  }
}

const LABELS = { [RUN_LABEL]: runLabel() }

/** A tar of files that belong to root and a group, as the kubelet writes them. */
function archive(files: Files, mode: number, group: number): NodeJS.ReadableStream {
  const folder = mkdtempSync(join(tmpdir(), 'volume-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), mode)
  }
  const options = ['--create', '--owner=0', `--group=${String(group)}`, '--numeric-owner', '--directory', folder]
  const tar = spawn('tar', [...options, ...Object.keys(files)], { stdio: ['ignore', 'pipe', 'ignore'] })
  tar.once('close', () => {
    rmSync(folder, { recursive: true, force: true })
  })
  return tar.stdout
}

/** A pod that was started. */
export class Pod {
  readonly #container: Container
  readonly #spec: ContainerSpec
  readonly #expand: (word: string) => string
  readonly #ports: ReadonlyMap<number, number>

  private constructor(
    container: Container,
    spec: ContainerSpec,
    expand: (word: string) => string,
    ports: ReadonlyMap<number, number>,
  ) {
    this.#container = container
    this.#spec = spec
    this.#expand = expand
    this.#ports = ports
  }

  static async of(container: Container, spec: ContainerSpec, expand: (word: string) => string): Promise<Pod> {
    const { NetworkSettings } = await container.inspect()
    const ports = (spec.ports ?? []).map(({ containerPort }): [number, number] => [
      containerPort,
      Number(NetworkSettings.Ports[`${String(containerPort)}/tcp`]?.[0]?.HostPort),
    ])
    return new Pod(container, spec, expand, new Map(ports))
  }

  /** Where a port of the pod is reached from here. */
  port(inside: number): number {
    const port = this.#ports.get(inside)
    if (port === undefined) throw new Error(`The manifest has no port ${String(inside)}`)
    return port
  }

  /** Asks one of its probes; null if the kubelet would be content, else why not. */
  async probe(name: ProbeName): Promise<string | null> {
    const { exec, httpGet, tcpSocket } = this.#spec[name]
    if (exec !== undefined) return this.exec(exec.command.map(this.#expand))
    if (httpGet !== undefined) return askPath(this.port(httpGet.port), httpGet.path)
    if (tcpSocket !== undefined) return dial(this.port(tcpSocket.port))
    throw new Error(`${name} asks for nothing`)
  }

  /** Runs a command in the container; null if it ended well, else what it wrote. */
  async exec(command: readonly string[]): Promise<string | null> {
    const { container } = await getContainerRuntimeClient()
    const { exitCode, output } = await container.exec(this.#container, [...command])
    return exitCode === 0 ? null : output
  }

  async kill(): Promise<void> {
    await this.#container.kill({ signal: 'SIGKILL' })
    await this.#container.wait()
  }

  async logs(): Promise<string> {
    return (await this.#container.logs({ stdout: true, stderr: true })).toString('utf8')
  }
}

async function askPath(port: number, path: string): Promise<string | null> {
  try {
    const response = await fetch(`http://127.0.0.1:${String(port)}${path}`)
    return response.ok ? null : `${String(response.status)} ${await response.text()}`
  } catch (error) {
    return String(error)
  }
}

async function dial(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(null)
    })
    socket.once('error', (error) => {
      resolve(error.message)
    })
  })
}
