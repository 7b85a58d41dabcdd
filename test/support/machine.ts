/**
 * Machines for tests of what an examination finds on them: namespaces of Linux with their own processes, addresses, host name and disk, in
 * which etcds run as plain processes, some of them in nested namespaces as the pods of a node. Nothing of a machine is left when it ends,
 * also if the tests are killed: the process that holds it ends with its input, and the kernel ends all others of its PID namespace.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Child, startChild } from './child.js'
import { commandPath, type CommandResult } from './command.js'

/** Programs such as `ip` are not for everybody. */
const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, HOME: '/root' }

const UNSHARE = ['unshare', '--mount', '--pid', '--net', '--uts', '--fork', '--kill-child', 'sh', '-ec']

/** Until procfs is mounted again, it has the PIDs of whoever starts this. */
const PREPARE = 'read -r pid rest </proc/self/stat; mount -t proc proc /proc; ip link set lo up; hostname "$0"'
const HOLD = 'echo "holds $pid"; exec cat'

/** A disk without configurations of etcd. What the programs need of /etc is copied, and what is written disappears. */
const DISK = [
  'mount -t tmpfs -o mode=755 none /mnt && mkdir /mnt/etc /mnt/lib /mnt/work',
  'for file in passwd group hosts nsswitch.conf; do cp "/etc/$file" /mnt/etc; done',
  'mount -t overlay -o lowerdir=/var/lib,upperdir=/mnt/lib,workdir=/mnt/work overlay /var/lib',
  'mount --bind /mnt/etc /etc',
].join('; ')

/** A process in a {@link Space}. */
export interface Running {
  /** What it has written until now. */
  log(): string
  /** Resolves when it has written this. Rejects with its log if it ends before. */
  says(what: string | ((log: string) => boolean)): Promise<void>
  /** When it was started, in milliseconds. */
  readonly startedAt: number
  stop(): Promise<void>
}

/** Namespaces, and the process that holds them. */
export class Space implements AsyncDisposable {
  readonly #holder: Child
  /** What runs a command in them. */
  readonly #enter: readonly string[]
  readonly #children: Child[] = []
  /** As the process that started it numbers it. */
  readonly pid: number
  /** Where its disk is on the disk of the tests. */
  readonly root: string

  protected constructor(holder: Child, outside: { enter: readonly string[]; root: string }) {
    this.#holder = holder
    this.pid = Number(/^holds (\d+)$/m.exec(holder.written.out)?.[1])
    this.#enter = [...outside.enter, 'nsenter', `--target=${String(this.pid)}`, '-m', '-p', '-n', '-u', '--']
    this.root = `${outside.root}/proc/${String(this.pid)}/root`
  }

  protected static async hold(
    enter: readonly string[],
    name: string,
    { prepare = '', isNetworkOwn = true }: { prepare?: string; isNetworkOwn?: boolean } = {},
  ): Promise<Child> {
    if (process.geteuid?.() !== 0) throw new Error('Run this test as root: it makes namespaces.')
    const unshare = UNSHARE.filter((each) => isNetworkOwn || each !== '--net')
    const script = [PREPARE, prepare, HOLD].filter((each) => each !== '').join('; ')
    const holder = startChild([...enter, ...unshare, script, name], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    await holder.says((all) => /^holds \d+$/m.test(all))
    return holder
  }

  /** Namespaces inside these, whose processes are seen from here, as a pod on its node. */
  async pod(name: string, options: { isNetworkOwn?: boolean } = {}): Promise<Space> {
    return new Space(await Space.hold(this.#enter, name, options), { enter: this.#enter, root: this.root })
  }

  /** Starts a program. Resolves when the process exists, so that the order of starts is the order of calls. */
  async start(
    command: readonly string[],
    { variables = {}, name }: { variables?: Readonly<Record<string, string>>; name?: string | undefined } = {},
  ): Promise<Running> {
    const shell = ['bash', '-c', 'cd /; echo "runs $$"; exec -a "$0" "$@"', name ?? command[0] ?? '', ...command]
    const child = startChild([...this.#enter, ...shell], { env: { ...env, ...variables } })
    this.#children.push(child)
    const startedAt = Date.now()
    await child.says((all) => /^runs \d+$/m.test(all))
    const pid = /^runs (\d+)$/m.exec(child.written.out)?.[1] ?? ''
    return {
      log: () => child.written.all,
      says: child.says,
      startedAt,
      stop: async () => {
        await this.run(['kill', '-KILL', pid])
        await child.ended
      },
    }
  }

  /** Runs a program to its end. Never rejects because of its exit code. */
  run(command: readonly string[], input = ''): Promise<CommandResult> {
    const [program = '', ...args] = [...this.#enter, ...command]
    return runFile(program, args, input)
  }

  /** The same; rejects if it fails. */
  async must(command: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, input)
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${String(code)}: ${stderr}${stdout}`)
    return stdout
  }

  /** Runs `etcd-mtls doctor --json` here, as root. */
  async doctor(args: readonly string[] = []): Promise<CommandResult> {
    // On a busy machine a healthy member can need longer than the default.
    const patient = args.includes('--dial-timeout') ? [] : ['--dial-timeout', '10s']
    return this.run([process.execPath, await commandPath(), 'doctor', '--json', ...patient, ...args])
  }

  /** Writes a file, with the folders above it. */
  write(path: string, content: string | Uint8Array, mode = 0o600): string {
    mkdirSync(dirname(this.root + path), { recursive: true })
    writeFileSync(this.root + path, content, { mode })
    return path
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.process.stdin?.end()
    await Promise.all([this.#holder, ...this.#children].map(({ ended }) => ended))
  }
}

/** A machine with its pods, on a network of its own with other machines. */
export class Machine extends Space {
  readonly #neighbours: Space[] = []
  #links = 0

  static async boot(name = 'node-1'): Promise<Machine> {
    return new Machine(await Space.hold([], name, { prepare: DISK }), { enter: [], root: '' })
  }

  /** Another machine on the network of this one, whose processes are not seen from here. */
  async neighbour(name: string, address: string): Promise<Space> {
    const space = await Machine.boot(name)
    this.#neighbours.push(space)
    await this.#link(space, address, ['nsenter', `--target=${String(this.pid)}`, '-n', '--'])
    return space
  }

  /** A pod with an address that this machine and its other pods reach. */
  async reachablePod(name: string, address: string): Promise<Space> {
    const space = await this.pod(name)
    await this.#link(space, address, null)
    return space
  }

  /** Gives this machine its own address on the network: one that ends with 1. */
  async network(): Promise<void> {
    if (this.#links++ === 0)
      await this.must(
        ['ip', '-batch', '-'],
        `link add br0 type bridge\naddress add ${ADDRESS}/24 dev br0\nlink set br0 up\n`,
      )
  }

  async #link(space: Space, address: string, outside: readonly string[] | null): Promise<void> {
    await this.network()
    const link = `veth${String(this.#links++)}`
    const lines = [
      `link add ${link} type veth peer name eth0 netns ${String(space.pid)}`,
      `link set ${link} master br0 up`,
    ]
    const batch = ['ip', '-batch', '-']
    const input = `${lines.join('\n')}\n`
    if (outside === null) await this.must(batch, input)
    else {
      const [program = '', ...args] = [...outside, ...batch]
      const { code, stderr } = await runFile(program, args, input)
      if (code !== 0) throw new Error(stderr)
    }
    await space.must(batch, `address add ${address}/24 dev eth0\nlink set eth0 up\n`)
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    for (const each of this.#neighbours) await each[Symbol.asyncDispose]()
  }
}

/** Of the machine itself, if it has a network. */
export const ADDRESS = '10.77.0.1'

function runFile(program: string, args: readonly string[], input: string): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const limits = { env, timeout: 240_000, maxBuffer: 64 * 1024 * 1024 }
    const child = execFile(program, args, limits, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number')
        reject(new Error(`${program} did not end`, { cause: error }))
      else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
    // A program that does not read its input closes the pipe.
    child.stdin?.on('error', () => undefined).end(input)
  })
}
