/** Runs what a manifest says as containers of the engine, as a kubelet does, and asks its probes. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getContainerRuntimeClient } from 'testcontainers'
import { defaultImage, RUN_LABEL, runLabel } from '../../src/testing/options.js'

type Engine = Awaited<ReturnType<typeof getContainerRuntimeClient>>['container']['dockerode']
type Container = ReturnType<Engine['getContainer']>

/** What is used of a pod's specification. */
export interface PodSpec {
  securityContext?: { runAsUser?: number; runAsGroup?: number; fsGroup?: number }
  containers: [ContainerSpec]
  volumes?: { name: string; secret?: { secretName: string; defaultMode: number } }[]
}
interface ContainerSpec extends Record<ProbeName, { httpGet?: { path: string; port: number } }> {
  command: string[]
  env?: { name: string; value?: string; valueFrom?: { fieldRef: { fieldPath: string } } }[]
  ports?: { containerPort: number }[]
  securityContext?: {
    allowPrivilegeEscalation?: boolean
    capabilities?: { drop: string[] }
    readOnlyRootFilesystem?: boolean
  }
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[]
}
export type ProbeName = 'startupProbe' | 'livenessProbe' | 'readinessProbe'

/** Texts by the names of their files, of a Secret. */
export type Files = Readonly<Record<string, string>>

/** A pod that was started. */
export interface Pod {
  /** Where a port of the pod is reached from here, as `127.0.0.1:PORT`. */
  address(inside: number): string
  /** Asks one of its probes; null if the kubelet would be content, else why not. */
  probe(name: ProbeName): Promise<string | null>
  kill(): Promise<void>
  logs(): Promise<string>
}

const LABELS = { [RUN_LABEL]: runLabel() }

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
   * @param host By which the others find it, as a headless Service gives it.
   * @param secrets Files by the name of the Secret.
   */
  async start(name: string, spec: PodSpec, host: string, secrets: Readonly<Record<string, Files>>): Promise<Pod> {
    const [container] = spec.containers
    const { runAsUser = 0, runAsGroup = 0, fsGroup = 0 } = spec.securityContext ?? {}
    const { capabilities, allowPrivilegeEscalation, readOnlyRootFilesystem = false } = container.securityContext ?? {}
    const volumes = await this.#volumes(spec, secrets)
    const variables = new Map(container.env?.map((each) => [each.name, each.value ?? name]))
    const expand = (word: string): string =>
      word.replace(/\$\((\w+)\)/g, (whole, variable: string) => variables.get(variable) ?? whole)
    const data = container.volumeMounts.filter(({ readOnly = false }) => !readOnly)
    const ports = (container.ports ?? []).map(({ containerPort }) => `${String(containerPort)}/tcp`)
    const created = await this.#create({
      Hostname: name,
      Entrypoint: container.command.map(expand),
      User: `${String(runAsUser)}:${String(runAsGroup)}`,
      Env: [...variables].map(([variable, value]) => `${variable}=${value}`),
      ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])),
      HostConfig: {
        ReadonlyRootfs: readOnlyRootFilesystem,
        CapDrop: capabilities?.drop ?? [],
        SecurityOpt: allowPrivilegeEscalation === false ? ['no-new-privileges'] : [],
        VolumesFrom: [`${volumes.id}:ro`],
        // A volume of the kubelet belongs to root and to the group of the pod.
        Tmpfs: Object.fromEntries(data.map(({ mountPath }) => [mountPath, `mode=2775,gid=${String(fsGroup)}`])),
        PortBindings: Object.fromEntries(ports.map((port) => [port, [{ HostIp: '127.0.0.1', HostPort: '' }]])),
        NetworkMode: this.#network,
      },
      NetworkingConfig: { EndpointsConfig: { [this.#network]: { Aliases: [host] } } },
    })
    await created.start()
    const published = (await created.inspect()).NetworkSettings.Ports
    const address = (inside: number): string => `127.0.0.1:${published[`${String(inside)}/tcp`]?.[0]?.HostPort ?? ''}`
    return {
      address,
      probe: async (probe) => {
        const { httpGet } = container[probe]
        if (httpGet === undefined) throw new Error(`${probe} asks for nothing`)
        try {
          const response = await fetch(`http://${address(httpGet.port)}${httpGet.path}`)
          return response.ok ? null : `${String(response.status)} ${await response.text()}`
        } catch (error) {
          return String(error)
        }
      },
      kill: async () => {
        await created.kill({ signal: 'SIGKILL' })
        await created.wait()
      },
      logs: async () => (await created.logs({ stdout: true, stderr: true })).toString('utf8'),
    }
  }

  /** A container that never runs, whose volumes hold the Secrets that are mounted. */
  async #volumes(spec: PodSpec, secrets: Readonly<Record<string, Files>>): Promise<Container> {
    const mounts = spec.containers[0].volumeMounts.filter(({ readOnly = false }) => readOnly)
    const volumes = Object.fromEntries(mounts.map(({ mountPath }) => [mountPath, {}]))
    const holder = await this.#create({ Entrypoint: ['etcd'], Volumes: volumes })
    for (const { name, mountPath } of mounts) {
      const { secretName = '', defaultMode } = spec.volumes?.find((each) => each.name === name)?.secret ?? {}
      const files = secrets[secretName]
      if (files === undefined) throw new Error(`Nothing to mount for the volume ${name}`)
      await holder.putArchive(archive(files, defaultMode, spec.securityContext?.fsGroup), { path: mountPath })
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

/** A tar of files that belong to root and a group, as the kubelet writes them. */
function archive(files: Files, mode = 0o644, group = 0): NodeJS.ReadableStream {
  const folder = mkdtempSync(join(tmpdir(), 'volume-'))
  for (const [name, text] of Object.entries(files)) {
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
